#!/bin/bash
# run.sh BINARY [NAME...]: the SIP suite against a real gateway on loopback.
# SIPp, or a peer of ours where SIPp cannot, plays the IMS; a script plays the
# browser.  Last line: "sipp: N passed, N failed".
cd "$(dirname "$0")/.." || exit 1
# One at a time: the ports are fixed.
exec 9>"/tmp/isthmus-sipp-$(id -u).lock" && flock 9
mkdir -p build/sipp
export ISTHMUS_TRAFFIC=$PWD/build/sipp/traffic.jsonl
: >"$ISTHMUS_TRAFFIC"
exec node sipp-scenarios/run.mjs "$@"
