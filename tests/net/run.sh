#!/bin/bash
# run.sh BINARY...: calls through bad networks, each binary in namespaces that
# it makes itself (root, or CAP_NET_ADMIN in a user namespace with /dev/net/tun).
# Last line: "net: N passed, N failed".
set -u
if ! [ -w /dev/net/tun ] || ! unshare -n true 2>/dev/null; then
	echo "net: no /dev/net/tun or no network namespaces here: not run"
	echo "net: 0 passed, 0 failed"
	exit 0
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
passed=0
failed=0
for bin in "$@"; do
	name=$(basename "$bin")
	timeout -k 5 150 "$bin" >"$out/log" 2>&1 </dev/null
	rc=$?
	p=$(grep -ac '^\[       OK \]' "$out/log")
	f=$(grep -aE '^\[  FAILED  \] [a-z_]' "$out/log" | sort -u | wc -l)
	[ "$rc" = 0 ] || [ "$f" != 0 ] || f=1
	passed=$((passed + p))
	failed=$((failed + f))
	echo "$name: $p passed, $f failed"
	grep -avE '^\[( RUN      |       OK |==========|  PASSED  )\]' "$out/log" | tail -n 60
done
echo "net: $passed passed, $failed failed"
[ "$failed" = 0 ]
