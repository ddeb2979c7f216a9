#!/bin/bash
# run.sh BINARY [NAME...]: the SIP suite against a real gateway on loopback.
# SIPp, or a peer of ours where SIPp cannot, plays the IMS; a script plays the
# browser.  Last line: "sipp: N passed, N failed".
cd "$(dirname "$0")/.." || exit 1
# One at a time in a network: the ports are fixed.
net=$(stat -Lc %i /proc/self/ns/net 2>/dev/null)
exec 9>"/tmp/isthmus-sipp-$(id -u)-$net.lock" && flock 9
# Beside the binary: builds of several kinds are tested side by side.
SIPP_OUT=$(realpath "$(dirname "${1:-build/isthmus}")")/sipp
mkdir -p "$SIPP_OUT"
export SIPP_OUT ISTHMUS_TRAFFIC=$SIPP_OUT/traffic.jsonl
: >"$ISTHMUS_TRAFFIC"
exec node sipp-scenarios/run.mjs "$@"
