#!/bin/bash
# run.sh BINARY [FILE...]: the browser suites against a real gateway.  Each file
# starts what it needs on its own ports.  E2E_JOBS of them run side by side (2;
# one after the other where there are no network namespaces), each in a network
# of its own; those that measure time follow alone.  E2E_OUT: for logs and all
# else that a run leaves (build/e2e).  The last line is the result.
set -u
cd "$(dirname "$0")/../.."
binary=${1:-build/isthmus}
shift
export ISTHMUS=$binary ISTHMUS_BIN=$binary
out=$(realpath -m "${E2E_OUT:-build/e2e}")
mkdir -p "$out"
export E2E_OUT=$out ISTHMUS_TRAFFIC=$out/traffic.jsonl
: >"$ISTHMUS_TRAFFIC"
[ $# -gt 0 ] || set -- tests/e2e/*.test.mjs
jobs=${E2E_JOBS:-2}
net=tests/own-net.sh
if [ "$jobs" = 1 ] || [ $# = 1 ] || ! $net true 2>/dev/null; then
	net=
	jobs=1
fi

run()
{
	local name

	name=$(basename "$1" .test.mjs)
	timeout -k 10 400 $net node --test --test-reporter=spec \
		--test-reporter-destination=stdout --test-reporter=tap \
		--test-reporter-destination="$out/$name.tap" "$1"
	echo $? >"$out/$name.rc"
}

# Those of a minute and more first, so that all lanes end together.
first=()
for name in client browsers roaming lite transfer refresh video-loss; do
	for file in "$@"; do
		[ "$(basename "$file" .test.mjs)" != $name ] || first+=("$file")
	done
done
for file in "$@"; do
	[[ " ${first[*]} " = *" $file "* ]] || first+=("$file")
done
set -- "${first[@]}"

measuring=" calls protocol soak "
passed=0
failed=0
busy=0
alone=()
for file in "$@"; do
	name=$(basename "$file" .test.mjs)
	rm -f "$out/$name".{tap,rc}
	if [ "$jobs" = 1 ] || [[ $measuring = *" $name "* ]]; then
		alone+=("$file")
		continue
	fi
	[ "$busy" -lt "$jobs" ] || wait -n
	busy=$((busy < jobs ? busy + 1 : jobs))
	# What it says, in one piece when it has ended.
	(
		run "$file" >"$out/$name.log" 2>&1
		cat "$out/$name.log"
	) &
done
wait
for file in "${alone[@]}"; do
	run "$file"
done
for file in "$@"; do
	name=$(basename "$file" .test.mjs)
	rc=$(cat "$out/$name.rc")
	p=$(sed -n 's/^# pass //p' "$out/$name.tap" | tail -1)
	f=$(sed -n 's/^# fail //p;s/^# cancelled //p' "$out/$name.tap" |
		awk '{ n += $1 } END { print n + 0 }')
	passed=$((passed + ${p:-0}))
	if [ "$rc" != 0 ] && [ "$f" = 0 ]; then
		echo "$file: exit status $rc"
		f=1
	fi
	failed=$((failed + f))
done

# Every message that went over the browsers' WebSockets, against its schema.
if [ -s "$ISTHMUS_TRAFFIC" ] && [ -e tests/e2e/asyncapi-check.mjs ]; then
	if node tests/e2e/asyncapi-check.mjs "$ISTHMUS_TRAFFIC"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
fi
echo "e2e: $passed passed, $failed failed"
[ "$failed" = 0 ]
