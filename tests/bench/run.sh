#!/bin/bash
# run.sh [BUILD]: what a call costs, ours beside the peers', in one run.
# BENCH=quick: two minutes, one run of each; BENCH=short: ten minutes, fewer
# sizes, GCM only; ONLY="packet setup ..." for parts.
# Relays run on one core, the load on another; writes docs/performance.md
# (not when quick or in parts).  Last line: "bench: N passed, N failed".
set -u
cd "$(dirname "$0")/../.."
build=${1:-build}

missing=
for what in rtpengine:rtpengine-daemon taskset:util-linux; do
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
exec node tests/bench/run.mjs "$build"
