# Sourced by check.sh, sanitize.sh and .ci/run, from the top of the tree.
#
#	suite NAME COMMAND...
#
# runs a suite, shows what it prints, and adds its last "N passed, N failed"
# to $passed and $failed.  A suite that dies without one has failed once.

passed=0
failed=0

suite()
{
	local name=$1 log rc line p f

	shift
	mkdir -p build/log
	log=build/log/$name.log
	echo "== $name"
	"$@" 2>&1 | tee "$log"
	rc=${PIPESTATUS[0]}
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
	passed=$((passed + p))
	failed=$((failed + f))
}
