#!/bin/bash
# Runs cmocka binaries, each for 120 s at most: a line for each, what a failing
# one said, and the totals.  Most of them wait more than they work, so several
# run side by side, each in a network of its own; those that ask how long
# something takes, or how busy they are, run alone behind the others.
set -u
cd "$(dirname "$0")/.."
measuring=" test_loop test_media_load test_media_stale "
jobs=$(($(nproc) * 2))
net=tests/own-net.sh
if ! $net true 2>/dev/null; then
	net=
	jobs=1
fi

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
passed=0
failed=0

# run BINARY: its output and exit status to $out.
run()
{
	local name

	name=$(basename "$1")
	timeout -k 5 120 $net "$1" >"$out/$name.1" 2>"$out/$name.2" </dev/null
	echo $? >"$out/$name.rc"
}

count()
{
	grep -acE "$1" "$2"
}

report()
{
	local name rc p f

	name=$(basename "$1")
	rc=$(cat "$out/$name.rc")
	# cmocka tells of failures on standard error.
	p=$(count '^\[       OK \]' "$out/$name.1")
	f=$(cat "$out/$name".[12] | grep -aE '^\[  FAILED  \] [a-z_]' |
		sort -u | wc -l)
	# Killed, timed out, or a sanitizer's last word.
	[ "$rc" = 0 ] || [ "$f" != 0 ] || f=1
	[ "$rc$p$f" != 000 ] || f=1 # a test without tests
	passed=$((passed + p))
	failed=$((failed + f))
	if [ "$f" = 0 ]; then
		echo "$name: $p passed"
		return
	fi
	echo "$name: $p passed, $f failed, exit status $rc"
	cat "$out/$name".[12] |
		grep -avE '^\[( RUN      |       OK )\]' | tail -n 100
}

alone=()
busy=0
for bin in "$@"; do
	if [[ $measuring = *" $(basename "$bin") "* ]]; then
		alone+=("$bin")
		continue
	fi
	[ "$busy" -lt "$jobs" ] || wait -n
	busy=$((busy < jobs ? busy + 1 : jobs))
	run "$bin" &
done
wait
for bin in "${alone[@]}"; do
	run "$bin"
done
for bin in "$@"; do
	report "$bin"
done
echo "unit: $passed passed, $failed failed"
[ "$failed" = 0 ]
