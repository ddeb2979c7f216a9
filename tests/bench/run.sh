#!/bin/bash
# run.sh [BUILD]: what a call costs, ours beside the peers', in one run.
# BENCH=quick: two minutes, one run of each; BENCH=short: ten minutes, fewer
# sizes, GCM only; ONLY="packet setup ..." for parts.
# Relays run on one core, the load on another; writes docs/performance.md
# (not when quick or in parts).  Last line: "bench: N passed, N failed".
set -u
here=$(realpath "$0")
cd "$(dirname "$here")/../.." || exit 1
build=${1:-build}

# In a network of its own: nothing else has its ports, and there is an address
# that is not the loopback's, which Janus asks for.
if [ "${BENCH_INSIDE:-}" = 1 ]; then
	ip link set lo up
	if ip link add bench0 type veth peer name bench1 2>/dev/null; then
		ip addr add 198.18.0.1/24 dev bench0
		ip link set bench0 up
		ip link set bench1 up
	fi
	exec node tests/bench/run.mjs "$build"
fi

missing=
for what in rtpengine:rtpengine-daemon janus:janus taskset:util-linux ip:iproute2; do
	command -v "${what%%:*}" >/dev/null || missing="$missing ${what#*:}"
done
if [ -n "$missing" ]; then
	sudo=
	[ "$(id -u)" = 0 ] || sudo=sudo
	# shellcheck disable=SC2086 # a list of words
	if ! $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 install \
		--no-install-recommends $missing >/dev/null 2>&1; then
		echo "bench: cannot install$missing; measured without" >&2
	fi
fi
# Two at once would spoil each other: cores are not in a namespace.
exec 9>"/tmp/isthmus-bench-$(id -u).lock" && flock 9
ulimit -n "$(ulimit -Hn)"
for how in "unshare -n" "unshare -rn"; do
	if $how true 2>/dev/null; then
		BENCH_INSIDE=1 exec $how "$here" "$build"
	fi
done
echo "bench: no network of its own: ports are the machine's" >&2
exec node tests/bench/run.mjs "$build"
