need psql
need ss
sockets=$(ss -H -l -n -x 2>/dev/null | awk '{ print $5 }' | grep '/\.s\.PGSQL\.[0-9]*$' | sort -u)
[ -n "$sockets" ] || { echo "no PostgreSQL server listens" >&2; exit 90; }
as=
[ "$(id -u)" = 0 ] && command -v runuser >/dev/null 2>&1 && as="runuser -u postgres --"
for socket in $sockets; do
	port=${socket##*.}
	echo "server $port"
	cd / && $as psql -X -A -t -q -w -F '|' -h "${socket%/*}" -p "$port" -d postgres 2>&1 <<'X' || status=1
SELECT 'version', current_setting('server_version'), pg_is_in_recovery();
SELECT 'setting', name, replace(setting, E'\n', ' '), coalesce(sourcefile, source) FROM pg_settings
	WHERE source NOT IN ('default', 'override', 'client', 'session') ORDER BY name;
SELECT 'database', datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), pg_database_size(oid)
	FROM pg_database WHERE NOT datistemplate ORDER BY datname;
SELECT 'role', r.rolname, r.rolcanlogin, r.rolsuper, r.rolreplication, r.rolcreatedb, r.rolcreaterole,
	coalesce((SELECT string_agg(g.rolname, ',' ORDER BY g.rolname) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid), '')
	FROM pg_roles r WHERE r.rolname NOT LIKE 'pg\_%' ORDER BY r.rolname;
SELECT 'replica', coalesce(client_addr::text, 'local') FROM pg_stat_replication ORDER BY 1;
X
done
exit ${status:-0}
