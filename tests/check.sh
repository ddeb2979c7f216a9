#!/bin/bash
# Everything that must hold before a change is handed in: installs, builds, and
# runs every suite, also those behind a failing one.
set -u
cd "$(dirname "$0")/.."
# Started by make: its flags and job slots are not for the ones started here.
unset MAKEFLAGS MAKELEVEL MFLAGS
. tests/tally.sh

if ! tests/deps.sh || ! make -s -j"$(nproc)"; then
	echo "0 passed, 1 failed"
	exit 1
fi

suite unit make -s -j"$(nproc)" unit
suite lint make -s lint
suite net make -s net
suite sipp make -s sipp
suite e2e make -s e2e
suite ims make -s ims

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
