#!/bin/bash
# symbols.sh BUILD: what our objects define for others begins with gw_, and
# none of it is exported by a library that the daemon loads: Sofia, for one,
# calls its own functions by way of the PLT, and would get ours.
set -u
cd "$(dirname "$0")/../.."
build=$1

ours=$(mktemp)
theirs=$(mktemp)
trap 'rm -f "$ours" "$theirs"' EXIT

nm -A -g --defined-only "$build/libisthmus.a" "$build/gateway/main.o" |
	awk 'NF >= 3 { print $NF, $1 }' | sort >"$ours"
[ -s "$ours" ] || {
	echo "$build: no objects"
	exit 1
}

bad=0
# These are meant to be in front of the libraries': epoll_shim.c,
# dialog_orphan.c, stack.c, ice_addrs.c.
meant='epoll_wait|nta_msg_ackbye|tport_stall'
meant="$meant|nice_interfaces_get_(local_ips|if_index_by_addr)"
if grep -vE "^(gw_|main |($meant) )" "$ours"; then
	echo "^ not prefixed gw_"
	bad=1
fi

ldd "$build/isthmus" | awk '$3 ~ /^\// { print $3 }' |
	xargs -r nm -D --defined-only 2>/dev/null |
	awk 'NF >= 3 { sub(/@.*/, "", $NF); print $NF }' | sort -u >"$theirs"
[ -s "$theirs" ] || {
	echo "$build/isthmus: no libraries found"
	exit 1
}
both=$(cut -d' ' -f1 "$ours" | sort -u | comm -12 - "$theirs" |
	grep -vE "^($meant)\$")
if [ -n "$both" ]; then
	echo "exported by a library too: $both"
	bad=1
fi
exit $bad
