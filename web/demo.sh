#!/bin/bash
# demo.sh BINARY: a browser and a SIP phone talk through the gateway; see
# tests/e2e/lib/demo.mjs.  DEMO_ONCE=1: end after the two calls, with their
# result as exit status.
set -eu
cd "$(dirname "$0")/.."
binary=${1:-build/isthmus}
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
exec node tests/e2e/lib/demo.mjs "$binary"
