# Sent to each host: reads, and answers with framed sections. A section is
#   section NAME STATUS BYTES ERRORBYTES
# and then exactly so many bytes of its output and its errors, so that any byte
# in any name survives. Status 90: something that it needs is absent.
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH mysql_socket mysql_user
umask 077
exec </dev/null
dir=$(mktemp -d /dev/shm/migrate.XXXXXX 2>/dev/null || mktemp -d) || exit 1
child=
trap 'rm -rf "$dir"' EXIT
trap '[ -z "$child" ] || kill "$child" 2>/dev/null; exit 143' HUP INT TERM

prelude='need() { command -v "$1" >/dev/null 2>&1 || { echo "$1 is not installed" >&2; exit 90; }; }
'
if command -v timeout >/dev/null 2>&1; then
	limited() { exec timeout -k 2 "$@"; }
else
	limited() { shift; exec "$@"; }
fi

# run NAME SECONDS [ARGUMENT...] runs the script in its input as a section.
run() {
	name=$1 seconds=$2
	shift 2
	body=$prelude$(cat)
	limited "$seconds" sh -c "$body" sh "$@" >"$dir/out" 2>"$dir/all" </dev/null &
	child=$!
	wait "$child"
	status=$?
	child=
	tail -c 4096 "$dir/all" >"$dir/err"
	out=$(($(wc -c <"$dir/out"))) err=$(($(wc -c <"$dir/err")))
	printf 'section %s %s %s %s\n' "$name" "$status" "$out" "$err"
	head -c "$out" "$dir/out"
	head -c "$err" "$dir/err"
}

echo "migrate-inventory 1"

run os 10 <<'END'
for f in /etc/os-release /usr/lib/os-release; do
	[ -r "$f" ] && exec cat "$f"
done
echo "no os-release file" >&2
exit 90
END

run kernel 10 <<'END'
uname -r && uname -m
END

run cpu 10 <<'END'
getconf _NPROCESSORS_ONLN || exit
sed -n 's/^model name[[:blank:]]*: //p' /proc/cpuinfo | head -n 1
END

run memory 10 <<'END'
cat /proc/meminfo
END

run disks 20 <<'END'
need df
df -P -T -k -l
END

run mounts 10 <<'END'
cat /proc/self/mounts
END

run packages 60 <<'END'
need dpkg-query
dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\t${Version}\t${Architecture}\n'
END

run manual 60 <<'END'
need apt-mark
apt-mark showmanual
END

run unit-files 30 <<'END'
need systemctl
[ -d /run/systemd/system ] || set -- --root=/
systemctl "$@" list-unit-files --type=service,socket,timer --no-legend --no-pager --plain
END

run units 30 <<'END'
need systemctl
[ -d /run/systemd/system ] || { echo "systemd does not run here" >&2; exit 90; }
systemctl list-units --all --type=service,socket,timer --no-legend --no-pager --plain
END

run unit-owners 60 <<'END'
need dpkg-query
dpkg-query -S '*/systemd/system/*'
END

run listeners 30 <<'END'
need ss
ss -H -l -n -t -u -p
END

# The programs that listen, by process id, and the packages that they are of.
run programs 30 <<'END'
need ss
ss -H -l -n -t -u -p | grep -o 'pid=[0-9]*' | sort -u | while IFS= read -r pid; do
	exe=$(readlink "/proc/${pid#pid=}/exe") || continue
	printf '%s\t%s\n' "${pid#pid=}" "$exe"
done
END

run program-owners 60 <<'END'
need dpkg-query
need ss
for pid in $(ss -H -l -n -t -u -p | grep -o 'pid=[0-9]*' | sort -u); do
	exe=$(readlink "/proc/${pid#pid=}/exe") || continue
	# With a merged /usr, dpkg may know the file by its old path.
	set -- "$@" "$exe" "${exe#/usr}"
done
[ $# -eq 0 ] || dpkg-query -S "$@" 2>/dev/null
exit 0
END

if [ $# -gt 0 ]; then
	run files 600 "$@" <<'END'
need find
for p; do
	if [ -e "$p" ] || [ -L "$p" ]; then
		find "$p" -xdev \( -type f -o -type d -o -type l \) -printf '%y\0%m\0%U\0%G\0%u\0%g\0%s\0%p\0%l\0' || status=1
	else
		printf '?\0000\0000\0000\0\0\0000\0%s\0\0' "$p"
	fi
done
exit ${status:-0}
END

	run sums 600 "$@" <<'END'
need sha256sum
for p; do
	[ -e "$p" ] || continue
	find "$p" -xdev -type f -exec sha256sum -z -- {} + || status=1
done
exit ${status:-0}
END
fi

if [ -n "$mysql_socket" ]; then
	mysql_prelude=$prelude
	prelude=$prelude'client=mariadb
command -v mariadb >/dev/null 2>&1 || client=mysql
need "$client"
[ -S "$mysql_socket" ] || { echo "no socket $mysql_socket" >&2; exit 90; }
ask() {
	"$client" --batch --skip-column-names --no-auto-rehash --default-character-set=utf8mb4 \
		--connect-timeout=5 --protocol=socket --socket="$mysql_socket" --user="$mysql_user" --execute="$1"
}
'
	run mysql-variables 30 <<'END'
ask "SHOW GLOBAL VARIABLES WHERE Variable_name IN (@VARIABLES@)"
END

	# MySQL answers sizes from a cache that is up to a day old unless told otherwise.
	run mysql-schemas 120 <<'END'
fresh=
case $(ask "SELECT VERSION()") in
*MariaDB*) ;;
?*) fresh="SET SESSION information_schema_stats_expiry = 0;" ;;
esac
ask "$fresh SELECT s.SCHEMA_NAME, COUNT(t.TABLE_NAME), COALESCE(SUM(t.DATA_LENGTH + t.INDEX_LENGTH), 0)
	FROM information_schema.SCHEMATA s
	LEFT JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = s.SCHEMA_NAME AND t.TABLE_TYPE = 'BASE TABLE'
	WHERE s.SCHEMA_NAME NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys')
	GROUP BY s.SCHEMA_NAME"
END

	run mysql-users 30 <<'END'
ask "SELECT User, Host FROM mysql.user"
END

	run mysql-space 30 <<'END'
data=$(ask "SELECT @@datadir") && [ -n "$data" ] && df -P -T -k "$data"
END
	prelude=$mysql_prelude
fi

echo end
