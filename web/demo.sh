#!/bin/bash
# demo.sh BINARY [ims]: a browser and a SIP phone talk through the gateway, or
# with "ims" through the gateway and the lab's IMS core, which is started unless
# it runs; see tests/e2e/lib/demo.mjs.  DEMO_ONCE=1: end after the two calls,
# with their result as exit status.
set -eu
cd "$(dirname "$0")/.."
binary=${1:-build/isthmus}
scene=${2:-sip}
for program in node baresip chromium; do
	command -v "$program" >/dev/null || {
		echo "demo: $program is missing; 'make deps' installs it" >&2
		exit 1
	}
done
[ -d tests/node_modules/playwright-core ] || {
	echo "demo: npm packages are missing; 'make deps' installs them" >&2
	exit 1
}
[ "$scene" = ims ] || exec node tests/e2e/lib/demo.mjs "$binary"

if ! lab/hss-ctl peers >/dev/null 2>&1; then
	export LAB_RUN=$PWD/build/demo-ims/lab
	mkdir -p "${LAB_RUN%/*}"
	lab/start.sh >"${LAB_RUN%/*}/lab.log" 2>&1 || {
		cat "${LAB_RUN%/*}/lab.log" >&2
		exit 1
	}
	trap lab/stop.sh EXIT
fi
node tests/e2e/lib/demo.mjs "$binary" ims &
demo=$!
trap 'kill "$demo" 2>/dev/null || :' INT TERM
rc=0
wait "$demo" || rc=$?
# A signal ends the first wait only.
wait "$demo" || rc=$?
exit "$rc"
