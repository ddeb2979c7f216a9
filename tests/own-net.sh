#!/bin/bash
# own-net.sh COMMAND...: runs it in a network namespace of its own, so that the
# fixed ports of a suite are nobody else's.  There are the loopback and, for
# browsers, which do not like to be on a loopback only, one more interface.
# "own-net.sh true" tells whether that may be had here.
set -u
if [ "${1:-}" = --inside ]; then
	shift
	ip link set lo up || exit 1
	if ip link add own0 type veth peer name own1 2>/dev/null; then
		# An address of IPv6 would be ready a second later, and Chromium
		# closes what it has open when its network changes.
		ip link set own0 addrgenmode none
		ip link set own1 addrgenmode none
		ip addr add 198.18.1.1/24 dev own0
		ip link set own0 up
		ip link set own1 up
		ip route add default dev own0 # of multicast, too
	fi
	exec "$@"
fi
for how in "unshare -n" "unshare -rn"; do
	$how true 2>/dev/null && exec $how "$0" --inside "$@"
done
echo "own-net: no network namespaces here" >&2
exit 1
