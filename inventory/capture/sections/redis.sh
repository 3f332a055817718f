# Every server whose process is named redis-server or valkey-server.
client=redis-cli
command -v redis-cli >/dev/null 2>&1 || client=valkey-cli
need "$client"
need ss
ports=$(ss -H -l -n -t -p | grep -e '"redis-server"' -e '"valkey-server"' | awk '{ sub(/.*:/, "", $4); print $4 }' | sort -un)
# Only root sees the names of other users' processes.
[ -n "$ports" ] || [ "$(id -u)" = 0 ] || { echo "which programs listen: Permission denied" >&2; exit 1; }
[ -n "$ports" ] || { echo "no Redis server listens" >&2; exit 90; }
for port in $ports; do
	echo "server 127.0.0.1:$port"
	"$client" -h 127.0.0.1 -p "$port" INFO || status=1
	echo "config"
	"$client" -h 127.0.0.1 -p "$port" CONFIG GET '*' | grep -v '^$' || status=1
done
exit ${status:-0}
