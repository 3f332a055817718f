mysql_client
# By default MySQL reports sizes from a cache that may be a day old.
fresh=
case $(ask "SELECT VERSION()") in
*MariaDB*) ;;
?*) fresh="SET SESSION information_schema_stats_expiry = 0;" ;;
esac
ask "$fresh SELECT s.SCHEMA_NAME, COUNT(t.TABLE_NAME), COALESCE(SUM(t.DATA_LENGTH + t.INDEX_LENGTH), 0),
	COALESCE(GROUP_CONCAT(DISTINCT t.ENGINE ORDER BY t.ENGINE), '')
	FROM information_schema.SCHEMATA s
	LEFT JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = s.SCHEMA_NAME AND t.TABLE_TYPE = 'BASE TABLE'
	WHERE s.SCHEMA_NAME NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys')
	GROUP BY s.SCHEMA_NAME"
