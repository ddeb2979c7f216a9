# Sourced by the scripts of the lab: where it runs, and its processes.
# LAB_RUN: the folder of everything that a run leaves; lab/run by default.

LAB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LAB_RUN=${LAB_RUN:-$LAB_DIR/run}
export LAB_RUN

# The order in which they start; they end in the reverse one.
LAB_CORE="hss icscf scscf pcscf"
LAB_PHONES="carol dave"

say()
{
	echo "lab: $*"
}

# until_true SECONDS WHAT COMMAND...: waits for a condition, not for a time.
until_true()
{
	local tries=$(($1 * 10)) what=$2

	shift 2
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		if [ "$tries" -le 0 ]; then
			say "not in time: $what" >&2
			return 1
		fi
		sleep 0.1
	done
}

# When a process began: with its id this names it for ever, since ids come
# again.  Of one that has ended and waits for its parent, nothing.
born()
{
	sed 's/.*) //; /^Z/d' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}

# running NAME: is what was started as NAME still there?
running()
{
	local pid at

	read -r pid at 2>/dev/null <"$LAB_RUN/pid/$1" || return 1
	[ -n "$at" ] && [ "$(born "$pid")" = "$at" ]
}

gone()
{
	! running "$1"
}

# start NAME COMMAND...: in a session of its own, its output in log/NAME.log.
start()
{
	local name=$1

	shift
	setsid "$@" >>"$LAB_RUN/log/$name.log" 2>&1 </dev/null &
	echo "$! $(born $!)" >"$LAB_RUN/pid/$name"
}

# kamailio NAME: in the foreground of its session, so that its id is known.
kamailio()
{
	start "$1" /usr/sbin/kamailio -DD -E -m 64 -M 8 -Y "$LAB_RUN/kamailio" \
		-f "$LAB_DIR/kamailio/$1.cfg" \
		--substdef="|LAB_DIR|$LAB_DIR|g" \
		--substdef="|LAB_RUN|$LAB_RUN|g" \
		--substdef="|LAB_NODE|$1|g" \
		--substdef="!WEB_IMPIS!$(node "$LAB_DIR/hss/web-users.mjs")!g"
}

# session PID: ids of all that the leader of a session has started.
session()
{
	awk -v leader="$1" '{ id = $1; sub(/.*\) /, ""); if ($4 == leader) print id }' \
		/proc/[0-9]*/stat 2>/dev/null
}

# stop NAME: by its id, and only if it is still the same process.  A phone with
# unfinished business ends at the second signal; what ends at none is killed,
# with what it started (it leads a group of its own).
stop()
{
	local pid at signal id ids=

	running "$1" && read -r pid at <"$LAB_RUN/pid/$1" && ids=$(session "$pid")
	for signal in TERM TERM KILL; do
		running "$1" || break
		read -r pid at <"$LAB_RUN/pid/$1"
		if [ "$signal" = KILL ]; then
			say "$1 did not end by itself" >&2
			kill -KILL -- "-$pid"
		else
			kill "$pid"
		fi
		until_true 5 "" gone "$1" 2>/dev/null
	done
	rm -f "$LAB_RUN/pid/$1"
	# Kamailio's cdp forgets its pipes there.
	for id in $ids; do
		rm -f "/tmp/cdp_send_${id}_"*
	done
}

any_running()
{
	local name

	for name in $LAB_CORE $LAB_PHONES; do
		running "$name" && return 0
	done
	return 1
}
