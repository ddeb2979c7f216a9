#!/bin/bash
# What must not be in the tree: addresses of package registries (a lock file
# that names one works at one place only), and loose ends.
set -u
cd "$(dirname "$0")/../.."

# All but this file, which has to spell them.
files()
{
	all_files | grep -zvE '(^|/)tests/lint/words\.sh$'
}

all_files()
{
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files -z -co --exclude-standard
	else
		find . \( -name build -o -name node_modules -o -name .git \
			-o -name autom4te.cache -o -name configure \) \
			-prune -o -type f -print0
	fi
}

registry='registry\.(npm|yarn)|npm(mirror|js)\.|"resolved"|artifactory|verdaccio'
loose='\b(TODO|FIXME|XXX)\b'

bad=0
if files | xargs -0 grep -nIE "$registry"; then
	echo "^ names a registry"
	bad=1
fi
if files | xargs -0 grep -nIE "$loose"; then
	echo "^ a loose end"
	bad=1
fi
exit $bad
