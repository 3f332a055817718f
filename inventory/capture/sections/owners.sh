# The packages of the files of /etc, of units, and of the running programs that the
# section "processes" found.
need dpkg-query
IFS='
'
set -f
for exe in $(tr '\0' '\n' <"$dir/processes.out" | sort -u); do
	case $exe in /proc/*) continue ;; /*) ;; *) continue ;; esac
	exe=${exe%" (deleted)"}
	# With a merged /usr, dpkg may know the file by its old path.
	set -- "$@" "$exe" "${exe#/usr}"
done
dpkg-query -S '/etc/*' '*/systemd/system/*' '/var/spool/cron/*' "$@" 2>/dev/null
exit 0
