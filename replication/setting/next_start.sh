# What a server would read at its next start, in the order in which it does: the last one of
# a name wins. The variable pidfile is set before. A line of the output is F and an argument
# that option files stand for, C and an argument of the command line, S and a line of the
# service that was changed since the server started, or X and why something is unknown.
set -u
pid=$(cat "$pidfile" 2>/dev/null) && [ -r "/proc/$pid/cmdline" ] || { echo "X the process of its pid file $pidfile is not on its host"; exit 0; }
words() { tr '\0' '\n' <"/proc/$pid/cmdline"; }
program() { words | sed '/\(^\|\/\)\(mysqld\|mariadbd\)[^\/]*$/q'; }
arguments() { words | tail -n +$(($(program | wc -l) + 1)); }

# Its own program prints what it reads of the option files, in the same environment.
printed=$({
	tr '\0' '\n' <"/proc/$pid/environ" | grep -E '^(HOME|MYSQL_HOME|MARIADB_HOME|MYSQL_GROUP_SUFFIX|MARIADB_GROUP_SUFFIX|LD_LIBRARY_PATH)='
	if [ "$(program | wc -l)" = 1 ]; then echo "/proc/$pid/exe"; else program; fi
	arguments | grep -E '^--(no-defaults$|defaults-(file|extra-file|group-suffix)=)'
	echo --print-defaults
} | tr '\n' '\0' | timeout 20 xargs -0 env -i 2>/dev/null) || { [ -n "$printed" ] || echo "X its program $(program | tail -n 1) does not print its options"; }
printf '%s\n' "$printed" | tail -n +2 | sed 's/ --/\n--/g' | grep -E '^--' | sed 's/^/F /'
arguments | sed 's/^/C /'

unit=$(sed -n 's#.*/\([^/]*\.service\)$#\1#p' "/proc/$pid/cgroup" | head -n 1)
if [ -n "$unit" ] && [ -d /run/systemd/system ]; then
	systemctl show "$unit" -p FragmentPath -p DropInPaths -p EnvironmentFiles 2>/dev/null | sed 's/^[A-Za-z]*=//; s/ (ignore_errors=[a-z]*)//' | tr ' ' '\n' |
		while read -r file; do
			if [ -f "$file" ] && [ "$file" -nt "/proc/$pid" ]; then grep -v '^[[:space:]]*[#;]' "$file" | sed 's/^/S /'; fi
		done
fi
exit 0
