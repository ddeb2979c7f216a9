#!/bin/bash
# sanitize.sh asan|tsan [build]: builds everything again under address and
# undefined behaviour, or thread sanitizer, and runs the unit and SIP suites on
# it; with "build", that much.  A report is a failure, whichever process made it
# and however it ended.
set -u
cd "$(dirname "$0")/.."
unset MAKEFLAGS MAKELEVEL MFLAGS
. tests/tally.sh

kind=${1:-}
build=build/$kind
reports=$PWD/$build/reports
case $kind in
asan)
	flags="-fsanitize=address,undefined -fno-sanitize-recover=all"
	export ASAN_OPTIONS="detect_leaks=1:log_path=$reports/asan"
	export UBSAN_OPTIONS="print_stacktrace=1:log_path=$reports/ubsan"
	export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp"
	LSAN_OPTIONS="$LSAN_OPTIONS:print_suppressions=0"
	;;
tsan)
	flags="-fsanitize=thread"
	export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp"
	TSAN_OPTIONS="$TSAN_OPTIONS:second_deadlock_stack=1"
	TSAN_OPTIONS="$TSAN_OPTIONS:log_path=$reports/tsan"
	# gcc 12's run-time does not know the address layouts of newer kernels:
	# once more, without randomised addresses, where that may be had.
	if [ -z "${GW_NO_ASLR:-}" ] && setarch "$(uname -m)" -R true \
		2>/dev/null; then
		export GW_NO_ASLR=1
		exec setarch "$(uname -m)" -R "$0" "$@"
	fi
	;;
*)
	echo "usage: $0 asan|tsan [build]" >&2
	exit 2
	;;
esac

# Instrumented code gains little from more than -O1, and takes long to make.
built()
{
	make -s -j"$(nproc)" BUILD="$build" SANITIZE="$flags" CFLAGS=-O1 "$@"
}

rm -rf "$reports"
mkdir -p "$reports"
if ! built all unit-bins; then
	echo "$kind: 0 passed, 1 failed"
	exit 1
fi
[ "${2:-}" != build ] || exit 0

suite "$kind-unit" built unit
suite "$kind-sipp" sipp-scenarios/run.sh "$build/isthmus"

for report in "$reports"/*; do
	[ -s "$report" ] || continue
	echo "== $report"
	head -n 60 "$report"
	failed=$((failed + 1))
done
echo "$kind: $passed passed, $failed failed"
[ "$failed" = 0 ]
