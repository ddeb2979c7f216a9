#!/bin/bash
# run.sh SECONDS TARGET...: builds the fuzz targets with clang, and lets each
# loose for that long on its committed corpus, as many at once as there are
# processors.  New finds go to build/fuzz/corpus; what crashed, to
# build/fuzz/crash-TARGET-*.  "build" instead of SECONDS: no more than that.
set -u
cd "$(dirname "$0")/../.."
unset MAKEFLAGS MAKELEVEL MFLAGS

seconds=${1:?seconds}
shift
passed=0
failed=0
build=build/fuzz
sanitize="-fsanitize=fuzzer-no-link,address,undefined"
sanitize="$sanitize -fno-sanitize-recover=undefined"

mkdir -p $build/log
if ! make -s -j"$(nproc)" BUILD=$build CC=clang SANITIZE="$sanitize" \
	"${@/#/$build/fuzz/}"; then
	echo "fuzz: 0 passed, 1 failed"
	exit 1
fi

[ "$seconds" != build ] || exit 0

# run TARGET: its output to the log, its exit status beside it.
run()
{
	local target=$1 name=${1#fuzz_}

	mkdir -p "$build/corpus/$name"
	"$build/fuzz/$target" -max_total_time="$seconds" -timeout=10 \
		-rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="$build/crash-$target-" \
		"$build/corpus/$name" "tests/fuzz/corpus/$name" \
		>"$build/log/$target" 2>&1
	echo $? >"$build/log/$target.rc"
}

jobs=$(nproc)
busy=0
for target in "$@"; do
	rm -f "$build/log/$target.rc"
	ls "tests/fuzz/corpus/${target#fuzz_}"/* >/dev/null 2>&1 || continue
	[ "$busy" -lt "$jobs" ] || wait -n
	busy=$((busy < jobs ? busy + 1 : jobs))
	run "$target" &
done
wait

for target in "$@"; do
	log=$build/log/$target
	if [ ! -e "$log.rc" ]; then
		echo "$target: no corpus in tests/fuzz/corpus/${target#fuzz_}"
		failed=$((failed + 1))
	elif [ "$(cat "$log.rc")" = 0 ]; then
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
		echo "$target: $runs runs, $seconds s"
		passed=$((passed + 1))
	else
		echo "$target: failed"
		tail -n 60 "$log"
		failed=$((failed + 1))
	fi
done
echo "fuzz: $passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
