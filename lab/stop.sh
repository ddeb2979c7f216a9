#!/bin/bash
# stop.sh: ends what start.sh started, and nothing else.  Logs and traces stay.
set -u
. "$(dirname "$0")/lib.sh"

ended=
for name in dave carol pcscf scscf icscf hss; do
	running "$name" && ended="$ended $name"
	stop "$name"
done
if [ -n "$ended" ]; then
	say "ended$ended"
else
	say "was not running"
fi
