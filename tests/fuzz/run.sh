#!/bin/bash
# run.sh SECONDS TARGET...: builds the fuzz targets with clang, and lets each
# loose for that long on its committed corpus.  New finds go to
# build/fuzz/corpus; what crashed, to build/fuzz/crash-TARGET-*.
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

for target in "$@"; do
	name=${target#fuzz_}
	seeds=tests/fuzz/corpus/$name
	log=$build/log/$target
	mkdir -p "$build/corpus/$name"
	if ! ls "$seeds"/* >/dev/null 2>&1; then
		echo "$target: no corpus in $seeds"
		failed=$((failed + 1))
		continue
	fi
	if "$build/fuzz/$target" -max_total_time="$seconds" -timeout=10 \
		-rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="$build/crash-$target-" \
		"$build/corpus/$name" "$seeds" >"$log" 2>&1; then
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
