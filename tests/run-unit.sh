#!/bin/bash
# Runs cmocka binaries, each for 120 s at most: a line for each, what a failing
# one said, and the totals.
set -u

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
passed=0
failed=0

count()
{
	grep -acE "$1" "$2"
}

for bin in "$@"; do
	name=$(basename "$bin")
	timeout -k 5 120 "$bin" >"$out/1" 2>"$out/2" </dev/null
	rc=$?
	# cmocka tells of failures on standard error.
	p=$(count '^\[       OK \]' "$out/1")
	f=$(cat "$out/1" "$out/2" | grep -aE '^\[  FAILED  \] [a-z_]' |
		sort -u | wc -l)
	# Killed, timed out, or a sanitizer's last word.
	[ "$rc" = 0 ] || [ "$f" != 0 ] || f=1
	[ "$rc$p$f" != 000 ] || f=1 # a test without tests
	passed=$((passed + p))
	failed=$((failed + f))
	if [ "$f" = 0 ]; then
		echo "$name: $p passed"
		continue
	fi
	echo "$name: $p passed, $f failed, exit status $rc"
	cat "$out/1" "$out/2" |
		grep -avE '^\[( RUN      |       OK )\]' | tail -n 100
done
echo "unit: $passed passed, $failed failed"
[ "$failed" = 0 ]
