# Sourced by check.sh, sanitize.sh and .ci/run, from the top of the tree.
#
#	suite NAME COMMAND...
#
# runs a suite, shows what it prints, and adds its last "N passed, N failed"
# to $passed and $failed.  A suite that dies without one has failed once.
#
#	lane "NAME COMMAND"...
#	join
#
# Suites mostly wait.  Those of a lane run one after the other, the lanes side
# by side, each in a network of its own because their ports are fixed; join
# shows and adds them like suite, in the order in which they were begun.  What
# they need has to be installed and built before.  Where this machine gives no
# networks away, a lane runs at once.
#
#	spare COMMAND...
#
# begins something of use for later, with the time that nobody else wants.

passed=0
failed=0
groups=() # of processes that are not waited for yet
begun=()  # suites of lanes

# Interrupted: what runs in the background goes as well.
abandon()
{
	local group

	trap - INT TERM
	for group in "${groups[@]}"; do
		kill -- "-$group" 2>/dev/null
	done
	exit 130
}
trap abandon INT TERM

# beside COMMAND...: in the background, as a process group of its own.
beside()
{
	set -m
	"$@" </dev/null &
	groups+=($!)
	set +m
}

# count NAME STATUS SECONDS: adds what build/log/NAME.log says.
count()
{
	local name=$1 rc=$2 log=build/log/$1.log line p f

	line=$(grep -aE '(^|: )[0-9]+ passed, [0-9]+ failed$' "$log" |
		tail -n 1 | grep -oE '[0-9]+ passed, [0-9]+ failed$')
	p=$(echo "$line" | cut -d' ' -f1)
	f=$(echo "$line" | cut -d' ' -f3)
	p=${p:-0}
	f=${f:-0}
	if [ "$rc" != 0 ] && [ "$f" = 0 ]; then
		echo "$name: exit status $rc"
		f=1
	elif [ -z "$line" ]; then
		echo "$name: said nothing about its result"
		f=1
	fi
	echo "== $name: $p passed, $f failed, $3 s"
	passed=$((passed + p))
	failed=$((failed + f))
}

suite()
{
	local name=$1 at=$SECONDS rc

	shift
	mkdir -p build/log
	echo "== $name"
	"$@" 2>&1 | tee "build/log/$name.log"
	rc=${PIPESTATUS[0]}
	count "$name" "$rc" $((SECONDS - at))
}

# run_lane PREFIX "NAME COMMAND"...
run_lane()
{
	local net=$1 entry name at

	shift
	for entry in "$@"; do
		name=${entry%% *}
		at=$SECONDS
		# shellcheck disable=SC2086 # a list of words
		$net bash -c "${entry#* }" >"build/log/$name.log" 2>&1
		echo "$? $((SECONDS - at))" >"build/log/$name.rc"
	done
}

lane()
{
	local entry

	mkdir -p build/log
	for entry in "$@"; do
		begun+=("${entry%% *}")
		rm -f "build/log/${entry%% *}".{log,rc}
	done
	if tests/own-net.sh true 2>/dev/null; then
		beside run_lane tests/own-net.sh "$@"
	else
		run_lane "" "$@"
	fi
}

join()
{
	local name rc s

	wait
	groups=()
	for name in "${begun[@]}"; do
		echo "== $name"
		[ -e "build/log/$name.log" ] || : >"build/log/$name.log"
		cat "build/log/$name.log"
		rc=1
		s=0
		[ ! -e "build/log/$name.rc" ] || read -r rc s <"build/log/$name.rc"
		count "$name" "$rc" "$s"
	done
	begun=()
}

spare()
{
	local idle="nice -n 19"

	# Any other process that wants to run does so at once.
	! chrt -i 0 true 2>/dev/null || idle="chrt -i 0"
	mkdir -p build/log
	# shellcheck disable=SC2086 # a list of words
	beside $idle "$@" >build/log/spare.log 2>&1
}
