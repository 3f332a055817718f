# The guard of a switch: see docs/protocols.md, "The guard". It runs on the host of
# the server that is being fenced, outside of the session that started it. The one
# file that names the state changes by rename only, so the guard and the controller
# can never both win a change.
set -u
cd "$1" || exit 1
. ./settings
echo $$ >pid.new && mv -f pid.new pid

# hundredths of a second since the host started
now() {
	read -r up _ </proc/uptime
	echo "${up%.*}${up#*.}"
}

late() { [ "$(now)" -ge "$(cat deadline)" ]; }

take() { mv "$1" "$2" 2>>log && echo "$(date -u) $1 -> $2" >>log; }

sql() { timeout 5 "$client" --defaults-file="$1.cnf" --batch <"$1.sql" >/dev/null 2>>log; }

while :; do
	if [ -e armed ]; then
		late && take armed released
	elif [ -e returning ]; then
		late && take returning released
	elif [ -e handover ]; then
		late && take handover guarding
	elif [ -e reverting ]; then
		late && take reverting guarding
	elif [ -e released ]; then
		# Again and again: a controller that was suspended may fence once more.
		if [ -n "$dropin" ]; then rm -f "$dropin"; fi
		sql from && sleep 0.4
	elif [ -e guarding ]; then
		sql to && sleep 0.4 # as above
	else
		exit 0 # done, or removed
	fi
	sleep 0.1
done
