#!/bin/bash
# run.sh BUILD: the house rules.  Each is one check; a line for each, and what
# it found.
set -u
cd "$(dirname "$0")/../.."
build=${1:-build}
folders="gateway sdp media sip webrtc"
passed=0
failed=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

check()
{
	local name=$1

	shift
	if "$@" >"$out" 2>&1; then
		echo "$name: fine"
		passed=$((passed + 1))
	else
		echo "$name: failed"
		head -n 100 "$out"
		failed=$((failed + 1))
	fi
}

format()
{
	find $folders tests -name node_modules -prune -o -name '*.[ch]' \
		-print0 | xargs -0 clang-format --dry-run -Werror
}

# Where the compiler finds a header.
header()
{
	echo "#include <$1>" | "${CC:-gcc}" -E -x c - |
		sed -n "s,^# [0-9]* \"\(/.*/$1\)\".*,\1,p" | head -n 1
}

# It reads no library's headers but the two that are all macros.
# Not asked: a first line "struct x *x = arg->x" before the GW_CHECK of it (the
# check is for our own mistakes, and aborts), and readdir_r instead of readdir
# (POSIX calls it obsolete, readdir is safe for a DIR of one's own).
static_analysis()
{
	local queue uthash

	queue=$(header sys/queue.h)
	uthash=$(header uthash.h)
	mkdir -p "$build/cppcheck"
	cppcheck --quiet --std=c11 -j"$(nproc)" --error-exitcode=1 \
		--cppcheck-build-dir="$build/cppcheck" \
		--enable=warning,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem \
		--suppress=nullPointerRedundantCheck --suppress=readdirCalled \
		--library=posix --include="$queue" --include="$uthash" \
		"--suppress=*:$queue" "--suppress=*:$uthash" \
		-D_GNU_SOURCE -D__GNUC__=12 -U__has_feature -I. $folders
}

scripts()
{
	local f bad=0

	for f in $(find tests sipp-scenarios web lab -name node_modules \
		-prune -o -name '*.sh' -print) .ci/run; do
		bash -n "$f" || bad=1
	done
	return $bad
}

check includes tests/lint/includes.sh
check symbols tests/lint/symbols.sh "$build"
check format format
check cppcheck static_analysis
check words tests/lint/words.sh
check metrics tests/lint/metrics.sh
check scripts scripts
check types node tests/lint/types.mjs
echo "lint: $passed passed, $failed failed"
[ "$failed" = 0 ]
