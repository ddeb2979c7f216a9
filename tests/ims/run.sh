#!/bin/bash
# run.sh BINARY [FILE...]: the gateway in front of the lab's IMS core, which is
# started for it and ended.  The last line is the result.
set -u
cd "$(dirname "$0")/../.." || exit 1
binary=${1:-build/isthmus}
shift
[ $# -gt 0 ] || set -- tests/ims/*.test.mjs
export LAB_RUN=$PWD/build/ims/lab
# In the network of the lab, one after the other: there is one core.
export E2E_OUT=$PWD/build/ims E2E_JOBS=1

mkdir -p build/ims
if ! lab/deps.sh || ! lab/start.sh >build/ims/lab.log 2>&1; then
	cat build/ims/lab.log
	echo "ims: 0 passed, 1 failed"
	exit 1
fi
tests/e2e/run.sh "$binary" "$@" | sed 's/^e2e: /ims: /'
rc=${PIPESTATUS[0]}
lab/stop.sh >>build/ims/lab.log 2>&1
exit "$rc"
