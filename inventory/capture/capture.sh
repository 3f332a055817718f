# The script that is sent to each host. It only reads, and answers with framed sections:
#   status NAME STATUS          a line for each section
#   sizes                       then the output of wc for each section's output and errors
#   data                        then the outputs and errors, one after the other
# The sizes keep any byte in any name intact. Status 90: something that the section
# needs is absent; 91: it was left out on purpose.
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH mysql_socket mysql_user deep dir
umask 077
exec </dev/null
for base in /dev/shm /run /tmp /var/tmp; do
	dir=$(mktemp -d "$base/migrate.XXXXXX" 2>/dev/null) && break
	dir=
done
[ -n "$dir" ] || { echo "neither /dev/shm, /run, /tmp nor /var/tmp can be written to" >&2; exit 1; }
cd / || exit 1
child=
trap 'rm -rf "$dir"' EXIT
trap '[ -z "$child" ] || kill "$child" 2>/dev/null; exit 143' HUP INT TERM

# The host's own work has priority.
renice -n 10 -p $$ >/dev/null 2>&1
ionice -c 2 -n 7 -p $$ 2>/dev/null

prelude='need() { command -v "$1" >/dev/null 2>&1 || { echo "$1 is not installed" >&2; exit 90; }; }
'
if command -v timeout >/dev/null 2>&1; then
	limited() { exec timeout -k 2 "$@"; }
else
	limited() { shift; exec "$@"; }
fi

# run NAME SECONDS SCRIPT [ARGUMENT...] runs a section with a time limit.
run() {
	name=$1 seconds=$2 body=$prelude$3
	shift 3
	limited "$seconds" sh -c "$body" sh "$@" >"$dir/$name.out" 2>"$dir/$name.err" </dev/null &
	child=$!
	wait "$child"
	echo "status $name $?"
	child=
	files="$files $dir/$name.out $dir/$name.err"
}
# quick NAME SCRIPT runs a section that only reads local files or the kernel. It
# needs no time limit and no shell of its own.
quick() {
	(eval "$prelude$2") >"$dir/$1.out" 2>"$dir/$1.err"
	echo "status $1 $?"
	files="$files $dir/$1.out $dir/$1.err"
}
# skip NAME WHY answers for a section whose program or server is absent.
skip() {
	: >"$dir/$1.out"
	echo "$2" >"$dir/$1.err"
	echo "status $1 90"
	files="$files $dir/$1.out $dir/$1.err"
}
files=

echo "migrate-inventory 2"
echo "self $$"
