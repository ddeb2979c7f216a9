#!/bin/bash
# Installs what the lab needs beside Isthmus itself, and only what is missing:
# Kamailio's modules for IMS, SIPp and baresip.
set -eu

packages="kamailio kamailio-ims-modules kamailio-presence-modules
	sip-tester baresip-core iproute2"
policy=/usr/sbin/policy-rc.d

missing=
for p in $packages; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null) ||
		status=
	[ "$status" = installed ] || missing="$missing $p"
done
command -v node >/dev/null || missing="$missing nodejs"
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
	sudo=sudo
	command -v sudo >/dev/null || {
		echo "lab: not root and no sudo; as root:" \
			"apt-get install$missing" >&2
		exit 1
	}
fi
echo "lab: installing$missing"
log=$(mktemp)
ours=
# The package of Kamailio starts a SIP server on every address of the machine.
# Not here: the usual way to say so is this file, for as long as it takes.
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
	$sudo chmod 755 "$policy"
	ours=yes
fi
tidy()
{
	[ -z "$ours" ] || $sudo rm -f "$policy"
	rm -f "$log"
}
trap tidy EXIT
apt()
{
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
		"$@" >"$log" 2>&1
}
# shellcheck disable=SC2086 # a list of words
if ! { apt update && apt install --no-install-recommends $missing; }; then
	tail -n 30 "$log" >&2
	echo "lab: apt-get failed" >&2
	exit 1
fi
# The policy keeps it from starting now; this, from starting with the machine.
case $missing in
*kamailio*)
	if command -v systemctl >/dev/null; then
		$sudo systemctl disable --quiet kamailio 2>/dev/null || true
	fi ;;
esac
