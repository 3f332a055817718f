mysql_client
data=$(ask "SELECT @@datadir") && [ -n "$data" ] && df -P -T -k "$data"
