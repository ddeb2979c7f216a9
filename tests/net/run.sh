#!/bin/bash
# run.sh BINARY...: calls through bad networks, each binary in namespaces that
# it makes itself (root, or CAP_NET_ADMIN in a user namespace with /dev/net/tun),
# all at once: they wait more than they work.
# Last line: "net: N passed, N failed".
set -u
if ! [ -w /dev/net/tun ] || ! unshare -n true 2>/dev/null; then
	echo "net: no /dev/net/tun or no network namespaces here: not run"
	echo "net: 0 passed, 0 failed"
	exit 0
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for bin in "$@"; do
	(
		timeout -k 5 150 "$bin" >"$out/$(basename "$bin").log" 2>&1 </dev/null
		echo $? >"$out/$(basename "$bin").rc"
	) &
done
wait
passed=0
failed=0
for bin in "$@"; do
	name=$(basename "$bin")
	log=$out/$name.log
	rc=$(cat "$out/$name.rc")
	p=$(grep -ac '^\[       OK \]' "$log")
	# A test may run twice under one name, with full ICE and lite.
	f=$(grep -aE '^\[  FAILED  \] [a-z_0-9]+$' "$log" | wc -l)
	f=$((f / 2))
	[ "$rc" = 0 ] || [ "$f" != 0 ] || f=1
	passed=$((passed + p))
	failed=$((failed + f))
	echo "$name: $p passed, $f failed"
	grep -avE '^\[( RUN      |       OK |==========|  PASSED  )\]' "$log" | tail -n 60
done
echo "net: $passed passed, $failed failed"
[ "$failed" = 0 ]
