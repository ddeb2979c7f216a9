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
if [ $# -ne 1 ] || ! tests/own-net.sh true 2>/dev/null; then
	exec node sipp-scenarios/run.mjs "$@"
fi

# What waits most of the time runs beside the rest, in networks of its own.
apart=(lossy_orig lossy_term)
pids=()
for group in "${apart[@]}"; do
	ISTHMUS_TRAFFIC=$SIPP_OUT/traffic_$group.jsonl
	: >"$ISTHMUS_TRAFFIC"
	SIPP_GROUP=$group tests/own-net.sh node sipp-scenarios/run.mjs "$1" \
		>"$SIPP_OUT/$group.out" 2>&1 9>&- &
	pids+=($!)
done
ISTHMUS_TRAFFIC=$SIPP_OUT/traffic.jsonl
SIPP_GROUP=shared node sipp-scenarios/run.mjs "$1" | tee "$SIPP_OUT/shared.out"
for i in "${!apart[@]}"; do
	wait "${pids[$i]}"
	cat "$SIPP_OUT/${apart[$i]}.out"
done
# Of one that never came to its end there is no last line: that is a failure.
cat "$SIPP_OUT"/{shared,lossy_orig,lossy_term}.out | awk -v runs=3 '
	/^sipp: [0-9]+ passed, [0-9]+ failed$/ { ran++; p += $2; f += $4 }
	END {
		f += runs - ran
		printf "sipp: %d passed, %d failed\n", p, f
		exit f > 0
	}'
