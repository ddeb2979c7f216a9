#!/bin/bash
# Which folder may include which, and which files know which library
# (docs/architecture.md, "The floor plan").  Prints what breaks the rules.
set -u
cd "$(dirname "$0")/../.."

find gateway sdp media sip webrtc -name '*.[ch]' -print0 |
	xargs -0 grep -nE '^[[:space:]]*#[[:space:]]*include' |
	awk '
# "file:line:#include <x>": who includes what
{
	split($0, part, ":")
	file = part[1]
	at = file ":" part[2]
	angled = $0 ~ /</
	what = $0
	sub(/^[^"<]*["<]/, "", what)
	sub(/[">].*$/, "", what)
}

function refuse(why)
{
	print at ": includes " what ": " why
	bad = 1
}

function room(path)
{
	if (path ~ /^gateway\/base\//)
		return "base"
	sub(/\/.*/, "", path)
	return path
}

# What a file may see of other rooms, beside its own and base.
function may_see(from, path)
{
	if (from == "base")
		return 0
	if (path == "config.h")
		return 1
	if (from == "sdp" || from == "media")
		return 0
	if (from == "sip" || from == "webrtc")
		return path ~ /^gateway\/(leg|message|settings|registration)\.h$/
	return path ~ /^(sdp\/(sdp|session|precondition)|media\/media|sip\/sip|webrtc\/web)\.h$/
}

!angled {
	from = room(file)
	to = room(what)
	if (what !~ /\// && what != "config.h")
		refuse("write it from the root")
	else if (to != from && to != "base" && !may_see(from, what))
		refuse(from " may not see it")
	next
}

# library: the files that may know it
function confine(library, files)
{
	if (index(what, library) == 1 && file !~ "^(" files ")$")
		refuse("only " files " may")
}

{
	confine("sofia-sip/", "gateway/base/loop\\.c|sip/[a-z_]+\\.[ch]")
	confine("uv.h", "gateway/base/loop\\.c")
	confine("nghttp2/", "webrtc/h2_(session|http|ws)\\.c")
	confine("libwebsockets", "webrtc/ws_(server|lws_[a-z]+)\\.c")
	confine("json-c/",
		"webrtc/(respect_msg|respect_report|respect_call_info|jwt|jwk|claims|introspect|waf[a-z_]*)\\.c|gateway/(cdr|core|admin|(isthmus)?ctl[a-z_]*)\\.[ch]")
	confine("openssl/", "media/(dtls|srtp)[a-z_]*\\.[ch]|sip/(digest|milenage|tls|tls_files)\\.c|" \
		"webrtc/(ws_tls|h2_tls|selfsigned|jwt|jwk|introspect|auth_[a-z]+|waf[a-z_]*)\\.c")
	confine("curl/", "webrtc/http_fetch\\.c")
	confine("srtp2/", "media/srtp(_openssl)?\\.c")
	confine("nice/", "media/ice[a-z_]*\\.c")
	confine("stun/", "media/stun\\.c")
	confine("glib", "media/ice[a-z_]*\\.c")
	confine("expat", "sip/reginfo\\.c")
	confine("yaml.h", "gateway/settings_yaml\\.c")
	confine("sqlite3.h", "gateway/store_[a-z]+\\.[ch]")
	confine("crypt.h", "webrtc/auth_[a-z]+\\.c|gateway/isthmusctl_io\\.c")
}

END { exit bad }
'
