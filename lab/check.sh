#!/bin/bash
# check.sh [WORD]: does the core do what docs/lab.md says?  First the parts by
# themselves, then the whole with SIPp and the phones; only the checks with WORD
# in their sentence.  Uses the lab that runs, or starts one and ends it.
# Last line: "lab: N passed, N failed".
set -u
. "$(dirname "$0")/lib.sh"
cd "$LAB_DIR" || exit 1

units=$(node --test tests/*.test.mjs 2>&1)
# The reporter is TAP when nobody looks, and spec when somebody does.
count()
{
	echo "$units" | sed -n "s/^[#ℹ] $1 //p" | tail -n 1
}
passed=$(count pass)
failed=$(count fail)
passed=${passed:-0}
failed=${failed:-1}
[ "$failed" = 0 ] || echo "$units" | grep -aE '^ *(not ok|✖|error:)'
echo "parts: $passed passed, $failed failed"

if ! any_running; then
	trap './stop.sh >/dev/null' EXIT
	if ! ./start.sh >/dev/null; then
		echo "lab: $passed passed, $((failed + 1)) failed"
		exit 1
	fi
fi
whole=$(mktemp)
node checks/run.mjs "$@" | tee "$whole"
p=$(sed -n 's/^lab: \([0-9]*\) passed.*/\1/p' "$whole")
f=$(sed -n 's/^lab: .* \([0-9]*\) failed$/\1/p' "$whole")
rm -f "$whole"
failed=$((failed + ${f:-1}))
echo "lab: $((passed + ${p:-0})) passed, $failed failed"
[ "$failed" = 0 ]
