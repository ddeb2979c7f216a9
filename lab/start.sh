#!/bin/bash
# start.sh: the HSS, the CSCFs and two phones; returns when both are registered.
# LAB_PHONES_OFF=1 leaves the phones out.  LAB_CODECS: their codec modules.
set -u
. "$(dirname "$0")/lib.sh"
cd "$LAB_DIR" || exit 1

fail()
{
	local name

	say "$*" >&2
	for name in $LAB_CORE $LAB_PHONES; do
		[ -s "$LAB_RUN/log/$name.log" ] || continue
		echo "---- $name.log"
		tail -n 15 "$LAB_RUN/log/$name.log"
	done >&2
	./stop.sh
	exit 1
}

if any_running; then
	say "is running already in $LAB_RUN; stop it first"
	exit 1
fi
# Empties what an earlier run left, and no other folder.
if [ -n "$(ls -A "$LAB_RUN" 2>/dev/null)" ] && [ ! -d "$LAB_RUN/pid" ]; then
	say "$LAB_RUN is not empty, and not of a lab"
	exit 1
fi
rm -rf "$LAB_RUN"
mkdir -p "$LAB_RUN"/{pid,log,trace,kamailio,phones} && chmod 700 "$LAB_RUN" ||
	exit 1

hss_settled()
{
	gone hss || ./hss-ctl peers
}

# All there and connected, or one of them gone, which need not be waited for.
core_settled()
{
	local name

	for name in $LAB_CORE; do
		running "$name" || return 0
	done
	[ "$(./hss-ctl peers | wc -l)" = 2 ]
}

core_runs()
{
	local name

	for name in $LAB_CORE; do
		running "$name" || return 1
	done
}

registered()
{
	./hss-ctl list "$1@ims.test" | grep -q ' registered '
}

start hss node hss/hss.mjs "$LAB_RUN/hss.sock"
until_true 10 "the HSS answers" hss_settled && running hss ||
	fail "the HSS does not start"
for name in icscf scscf pcscf; do
	kamailio "$name"
done
until_true 20 "I-CSCF and S-CSCF are connected to the HSS" core_settled &&
	core_runs || fail "the CSCFs do not start"

if [ -z "${LAB_PHONES_OFF:-}" ]; then
	for name in $LAB_PHONES; do
		./phone.sh start "$name" || fail "$name does not start"
	done
	for name in $LAB_PHONES; do
		until_true 20 "$name is registered" registered "$name" ||
			fail "$name does not register"
	done
fi

cat <<END
lab: an IMS core runs in $LAB_RUN
  HSS     127.0.0.40:3868  Diameter; lab/hss-ctl
  I-CSCF  127.0.0.41:5060  UDP, TCP: REGISTER and SUBSCRIBE go here
  S-CSCF  127.0.0.42:5060  UDP, TCP: calls go here, along the Service-Route
  P-CSCF  127.0.0.43:5060  UDP, TCP: for plain phones
  eP-CSCF 127.0.0.50 to .54, port 5060: a gateway; trusted with auth-done
  users of the realm ims.test, from lab/subscribers:
$(node hss/web-users.mjs table)
  logs in log/, every SIP message in trace/
END
