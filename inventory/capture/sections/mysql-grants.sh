mysql_client
# The hashes of passwords are removed before anything leaves the host.
statements=$(ask "SELECT CONCAT('SHOW GRANTS FOR ', QUOTE(User), IF(Host = '', '', CONCAT('@', QUOTE(Host))), ';') FROM mysql.user") || exit
[ -z "$statements" ] || ask "$statements" --force |
	sed -E "s/ IDENTIFIED (BY|VIA|WITH) .*\$/ IDENTIFIED/; s/'\*[0-9A-F]{40}'/''/g"
