#!/bin/bash
# phone.sh COMMAND NAME [ARGUMENT]: the phones of the lab, carol and dave.  They
# answer by themselves, and record what they hear in run/phones/NAME/.
#
#	start NAME        registers it through the P-CSCF
#	stop NAME
#	call NAME URI     calls; returns when the call is answered, or fails
#	hangup NAME       ends its calls
#	digits NAME 123#  presses keys in its call
#	tone NAME         what it hears now: "440 Hz", noise, silence or nothing
set -u
. "$(dirname "$0")/lib.sh"
cd "$LAB_DIR" || exit 1

command=${1:-}
name=${2:-}
dir=$LAB_RUN/phones/$name

case $command:$name in
start:carol | start:dave)
	if running "$name"; then
		say "$name runs already"
		exit 1
	fi
	node phones/setup.mjs "$name" "$dir" || exit 1
	start "$name" baresip -f "$dir" ;;
stop:carol | stop:dave)
	stop "$name" ;;
*:carol | *:dave)
	exec node phones/control.mjs "$@" ;;
*)
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
	exit 2 ;;
esac
