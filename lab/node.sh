#!/bin/bash
# node.sh stop|start|restart NAME: one of the running lab's CSCFs (icscf, scscf,
# pcscf) goes away or comes back, and has forgotten what it knew.  Returns when
# it has ended, or is connected to the HSS.
set -u
. "$(dirname "$0")/lib.sh"
cd "$LAB_DIR" || exit 1

command=${1:-}
name=${2:-}

connected()
{
	running "$name" || return 0
	[ "$name" = pcscf ] || ./hss-ctl peers | grep -q "$name"
}

begin()
{
	if running "$name"; then
		say "$name runs already" >&2
		exit 1
	fi
	kamailio "$name"
	until_true 20 "$name is connected to the HSS" connected &&
		running "$name"
}

case $command:$name in
stop:icscf | stop:scscf | stop:pcscf)
	stop "$name" ;;
start:icscf | start:scscf | start:pcscf)
	begin ;;
restart:icscf | restart:scscf | restart:pcscf)
	stop "$name"
	begin ;;
*)
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
	exit 2 ;;
esac
