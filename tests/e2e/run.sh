#!/bin/bash
# run.sh BINARY [FILE...]: the browser suites against a real gateway.  Each file
# starts what it needs on its own ports.  The last line is the result.
set -u
cd "$(dirname "$0")/../.."
binary=${1:-build/isthmus}
shift
export ISTHMUS=$binary ISTHMUS_BIN=$binary
mkdir -p build/e2e
out=$PWD/build/e2e
export ISTHMUS_TRAFFIC=$out/traffic.jsonl
: >"$ISTHMUS_TRAFFIC"
[ $# -gt 0 ] || set -- tests/e2e/*.test.mjs

passed=0
failed=0
for file in "$@"; do
	name=$(basename "$file" .test.mjs)
	timeout -k 10 400 node --test --test-reporter=spec \
		--test-reporter-destination=stdout --test-reporter=tap \
		--test-reporter-destination="$out/$name.tap" "$file"
	rc=$?
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
