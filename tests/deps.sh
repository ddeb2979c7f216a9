#!/bin/bash
# Installs what building and testing need, and only what is missing:
# Debian packages (with sudo when not root), then the npm packages of tests/.
set -eu
cd "$(dirname "$0")/.."

packages="autoconf automake pkg-config gcc libc6-dev make
	libsofia-sip-ua-dev libwebsockets-dev libwebsockets-evlib-uv libuv1-dev
	libnghttp2-dev libjson-c-dev libssl-dev libsrtp2-dev libnice-dev libyaml-dev libexpat1-dev
	libcrypt-dev libcurl4-openssl-dev libsqlite3-dev uthash-dev libcmocka-dev
	clang libclang-rt-14-dev clang-format clang-tidy cppcheck
	sip-tester baresip-core chromium firefox-esr iproute2 openssl sqlite3"

missing=
for p in $packages; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null) ||
		status=
	[ "$status" = installed ] || missing="$missing $p"
done
# Any node and npm will do, wherever they came from.
command -v node >/dev/null || missing="$missing nodejs"
command -v npm >/dev/null || missing="$missing npm"

if [ -n "$missing" ]; then
	sudo=
	if [ "$(id -u)" != 0 ]; then
		sudo=sudo
		command -v sudo >/dev/null || {
			echo "deps: not root and no sudo; as root:" \
				"apt-get install$missing" >&2
			exit 1
		}
	fi
	# shellcheck disable=SC2086 # a list of words
	printf 'deps: installing %d Debian packages, %s\n' \
		"$(set -- $missing && echo $#)" \
		"some minutes and up to 2.5 GB on a fresh machine:"
	# shellcheck disable=SC2086
	echo $missing | fold -s -w 76 | sed 's/^/  /'
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	apt() {
		$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
			-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
			"$@" >"$log" 2>&1
	}
	# shellcheck disable=SC2086 # a list of words
	if ! { apt update && apt install --no-install-recommends $missing; }; then
		tail -n 30 "$log" >&2
		echo "deps: apt-get failed" >&2
		exit 1
	fi
fi

# npm ci leaves its own copy of the lock file behind: when it is as new as
# ours, everything in it is there.
if [ ! -e tests/node_modules/.package-lock.json ] ||
	[ tests/package-lock.json -nt tests/node_modules/.package-lock.json ]; then
	echo "deps: npm ci in tests/"
	# It would empty the folder of another tree that a link leads to.
	[ ! -L tests/node_modules ] || rm tests/node_modules
	(cd tests && npm ci --loglevel=error --no-audit --no-fund) >/dev/null || {
		echo "deps: npm ci failed in tests/" >&2
		exit 1
	}
	touch tests/node_modules/.package-lock.json
fi
