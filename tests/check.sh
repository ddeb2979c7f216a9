#!/bin/bash
# Everything that must hold before a change is handed in: installs, builds, and
# runs every suite, also those behind a failing one.
set -u
cd "$(dirname "$0")/.."
# Started by make: its flags and job slots are not for the ones started here.
unset MAKEFLAGS MAKELEVEL MFLAGS
. tests/tally.sh

if ! tests/deps.sh || ! lab/deps.sh || ! make -s -j"$(nproc)" all test-bins; then
	echo "0 passed, 1 failed"
	exit 1
fi

# What listens to audio in real time runs beside what hardly computes.  SIPp has
# networks beside each other already: with browsers it would miss its times.
lane "unit make -s unit" "lint make -s lint"
lane "sipp make -s sipp" "net make -s net"
join
lane "e2e make -s e2e"
lane "ims make -s ims"
join

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
