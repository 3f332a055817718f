# The guard of a switch: see docs/protocols.md, "The guard". It runs on the host of
# the server that is being fenced, outside of the session that started it. The one
# file that names the state changes by rename only, so the guard and the controller
# can never both win a change.
set -u
PATH=${PATH:-/usr/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
trap '' HUP PIPE
cd "$1" || exit 0 # removed
. ./settings
# A full disk must not stop the guard: it writes what it can.
if (: >>log) 2>/dev/null; then exec 2>>log; else exec 2>/dev/null; fi
echo $$ >pid.new && mv -f pid.new pid
from_sql=$(cat from.sql) to_sql=$(cat to.sql) mark_sql=$(cat mark.sql)
from_pid='' to_pid='' from_silent=0 to_silent=0

# hundredths of a second since the host started
now() {
	read -r up _ </proc/uptime
	echo "${up%.*}${up#*.}"
}

# A deadline that cannot be read has passed: that is the worst case.
late() {
	read -r at <deadline || at=
	case $at in '' | *[!0-9]*) return 0 ;; esac
	[ "$(now)" -ge "$at" ]
}

take() { mv "$1" "$2" && echo "$(date -u) $1 -> $2" >>log; }

# connect starts the client that holds a connection to a side. The client ends when the
# guard does: it reads from the guard, and nobody else writes there.
connect() {
	rm -f "$1.in" "$1.out"
	mkfifo "$1.in" && : >"$1.out" || return 0
	case $1 in
	from) exec 3<>from.in ;;
	to) exec 4<>to.in ;;
	esac
	"$client" --defaults-file="$1.cnf" --batch --skip-column-names --unbuffered --force \
		<"$1.in" >>"$1.out" 2>/dev/null 3>&- 4>&- &
	eval "$1_pid=$!"
	tell "$1" "$mark_sql"
}

tell() {
	case $1 in
	from) echo "$2" >&3 ;;
	to) echo "$2" >&4 ;;
	esac
}

# hold keeps a connection to a side from the start on, and sends statements in it: a server
# whose connections are used up lets nobody in when the time has come. Nothing is sent
# while an answer is missing, so that no statement is left to be executed later. A client
# that has ended, or that stays silent, is replaced.
hold() {
	eval "held=\$$1_pid silent=\$$1_silent"
	if [ -s "$1.out" ]; then
		: >"$1.out"
		silent=0
		[ -e "$1.held" ] || : >"$1.held"
	fi
	if [ -z "$held" ] || ! kill -0 "$held" 2>/dev/null || [ "$silent" -ge 25 ]; then
		if [ -n "$held" ]; then kill -9 "$held" 2>/dev/null; fi
		connect "$1"
		silent=0
	fi
	if [ "$silent" -eq 0 ]; then tell "$1" "$2
SELECT 1;"; fi
	eval "$1_silent=$((silent + 1))"
}

# open lets application writes into a side: in the connection that is held, and in a new
# one. Neither stops at a statement that fails, and neither waits for a server that
# accepts connections and never answers.
open() {
	eval "statements=\$$1_sql"
	hold "$1" "$statements"
	echo "$statements" | timeout --foreground -k 1 5 "$client" --defaults-file="$1.cnf" --batch --force >/dev/null
	if [ "$(wc -c <log)" -gt 200000 ]; then : >log; fi
}

n=0
while :; do
	# The states are looked for one by one, and a rename meanwhile can hide the state from
	# all looks. So what is not seen means nothing: the guard looks again, and leaves only
	# on `done`, or when its folder was removed.
	state=
	for s in armed returning handover reverting released guarding done; do
		if [ -e "$s" ]; then
			state=$s
			break
		fi
	done
	case $state in
	armed | returning) late && take "$state" released ;;
	handover | reverting) late && take "$state" guarding ;;
	released)
		# Again and again: a controller that was suspended may fence once more.
		open from
		if [ -n "$dropin" ]; then rm -f "$dropin"; fi
		sleep 0.4
		;;
	guarding)
		open to # as above
		sleep 0.4
		;;
	done) break ;;
	*) [ -e guard.sh ] || break ;;
	esac
	if [ $((n % 5)) -eq 0 ]; then
		hold from ''
		hold to ''
	fi
	n=$((n + 1))
	sleep 0.1
done
for held in $from_pid $to_pid; do kill -9 "$held" 2>/dev/null; done
exit 0
