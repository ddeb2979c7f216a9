#!/bin/bash
# Every metric that the code has is in docs/operations.md by its whole name, and
# none is there that the code has not.
set -u
cd "$(dirname "$0")/../.."
doc=docs/operations.md

names()
{
	grep -rhoE '"isthmus_[a-z0-9_]+"' --include='*.c' \
		gateway sdp media sip webrtc | tr -d '"' | sort -u
}

told()
{
	grep -oE '\bisthmus_[a-z0-9_]+' "$doc" | sort -u
}

untold=$(comm -23 <(names) <(told))
unknown=$(comm -13 <(names) <(told))
[ -z "$untold" ] || printf '%s is not in %s\n' $(printf "%s $doc " $untold)
[ -z "$unknown" ] || printf '%s is in %s only\n' $(printf "%s $doc " $unknown)
[ "$(names | wc -l)" -gt 100 ] || echo "the code's metrics are not found"
[ -z "$untold$unknown" ] && [ "$(names | wc -l)" -gt 100 ]
