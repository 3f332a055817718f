# Applications below the given folders: a git checkout, a link to the current one of
# many releases, a lock file. No program of theirs is run.
need find
roots=0
for p; do
	shift
	[ -d "$p" ] && ! over_network "$p" && set -- "$@" "$p" && roots=1
done
[ "$roots" = 1 ] || exit 0
find "$@" -xdev -maxdepth 4 \( -name node_modules -o -name vendor -o -name .git \) -prune -o \
	\( -type l -name current -printf 'current\0%p\0%l\0\0' \) -o \
	\( -type d -path '*/releases/*' -prune -printf 'release\0%p\0\0\0' \) -o \
	\( -type f \( -name composer.lock -o -name package-lock.json -o -name yarn.lock -o -name Gemfile.lock \
	-o -name requirements.txt -o -name docker-compose.yml -o -name docker-compose.yaml \
	-o -name compose.yml -o -name compose.yaml -o -name Procfile \) -printf '%f\0%p\0\0\0' \) 2>/dev/null
find "$@" -xdev -maxdepth 4 \( -name node_modules -o -name vendor \) -prune -o -name .git -type d -prune -exec sh -c '
for g; do
	IFS= read -r line <"$g/HEAD" || continue
	case $line in
	"ref: "*)
		ref=${line#ref: }
		if [ -r "$g/$ref" ]; then
			IFS= read -r line <"$g/$ref"
		else
			line=$(grep -m 1 -F " $ref" "$g/packed-refs")
			line=${line%% *}
		fi
		;;
	esac
	remote=$(sed -n "/^\[remote \"origin\"\]/,/^\[[^r]/s/^[[:blank:]]*url[[:blank:]]*=[[:blank:]]*//p" "$g/config")
	printf "git\0%s\0%s\0%s\0" "${g%/.git}" "$line" "$remote"
done' sh {} + 2>/dev/null
exit 0
