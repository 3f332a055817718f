package planted

func password(g generator) string { return g.anyPassword() }

var kinds = []kind{
	{"ini", "/etc/planted/ini-{N}.ini", "[client]\nuser = app\npassword = {S}\nport = 3306\n", password},
	{"ini-quoted", "/etc/planted/quoted-{N}.conf", "db_user = \"app\"\ndb_passwd = \"{S}\" ; for the app\n", password},
	{"env", "/etc/planted/app-{N}.env", "APP_ENV=production\nDB_PASSWORD={S}\nDB_HOST=10.1.2.3\n", password},
	{"env-export", "/etc/profile.d/planted-{N}.sh", "export PATH=/opt/bin:$PATH\nexport SMTP_PASS='{S}'\n", password},
	{"json", "/etc/planted/app-{N}.json", "{\n  \"name\": \"shop\",\n  \"dbPassword\": \"{S}\",\n  \"port\": 8080\n}\n", password},
	{"json-one-line", "/etc/planted/one-{N}.json", `{"host":"db1","api_key":"{S}","retries":3}` + "\n", func(g generator) string { return g.alnum(20) }},
	{"yaml", "/etc/planted/app-{N}.yml", "production:\n  adapter: mysql2\n  username: app\n  password: {S}\n  pool: 5\n", password},
	{"yaml-block", "/etc/planted/block-{N}.yaml", "jwt_secret: |\n  {S}\nname: x\n", func(g generator) string { return g.alnum(40) }},
	{"url", "/etc/planted/url-{N}.conf", "database_url = postgres://app:{S}@10.1.2.3:5432/shop?sslmode=require\n", func(g generator) string { return g.alnum(14) }},
	{"url-redis", "/etc/planted/redis-{N}.env", "CACHE=redis://:{S}@10.1.2.4:6379/0\n", func(g generator) string { return g.words() }},
	{"url-query", "/etc/planted/hook-{N}.conf", "notify https://hooks.example.com/v1/send?channel=ops&token={S}&x=1\n", func(g generator) string { return g.hex(32) }},
	{"git-token", "/etc/planted/git-{N}.conf", "[remote \"origin\"]\n\turl = https://{S}@git.example.com/shop/app.git\n", func(g generator) string { return g.alnum(36) }},
	{"php-define", "/srv/planted/wp-config-{N}/wp-config.php", "<?php\ndefine( 'DB_NAME', 'blog' );\ndefine( 'DB_PASSWORD', '{S}' );\n", password},
	{"php-salt", "/srv/planted/wp-salt-{N}/wp-config.php", "<?php\ndefine('AUTH_KEY',         '{S}');\n", func(g generator) string { return g.base64(40) + "|>x" }},
	{"php-array", "/srv/planted/array-{N}/settings.php", "<?php\nreturn [\n  'database' => 'shop',\n  'password' => '{S}',\n];\n", password},
	{"xml-element", "/etc/planted/server-{N}.xml", "<config>\n  <user>app</user>\n  <password>{S}</password>\n</config>\n", password},
	{"xml-attribute", "/etc/planted/users-{N}.xml", "<tomcat-users>\n  <user username=\"admin\" password=\"{S}\" roles=\"manager\"/>\n</tomcat-users>\n", password},
	{"java-properties", "/etc/planted/app-{N}.properties", "spring.datasource.username=app\nspring.datasource.password={S}\n", password},
	{"compose-env", "/srv/planted/compose-{N}/docker-compose.yml", "services:\n  db:\n    image: mariadb:10.11\n    environment:\n      - MYSQL_ROOT_PASSWORD={S}\n", password},
	{"kubernetes", "/etc/planted/pod-{N}.yaml", "env:\n  - name: DB_PASSWORD\n    value: \"{S}\"\n  - name: TZ\n    value: UTC\n", password},
	{"kubernetes-secret", "/etc/planted/secret-{N}.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\ndata:\n  anything: {S}\n", func(g generator) string { return g.base64(24) }},
	{"my-cnf", "/etc/mysql/planted-{N}.cnf", "[mysqldump]\nuser=backup\npassword=\"{S}\"\n", password},
	{"mysql-argv", "/etc/cron.d/planted-mysql-{N}", "15 3 * * * root mysqldump -u backup -p{S} --all-databases > /srv/dump.sql\n", func(g generator) string { return g.words() }},
	{"long-argv", "/etc/cron.d/planted-argv-{N}", "*/5 * * * * app /opt/app/sync --user app --password {S} --once\n", func(g generator) string { return g.alnum(11) }},
	{"curl-user", "/usr/local/bin/planted-curl-{N}.sh", "#!/bin/sh\ncurl -s -u monitor:{S} https://status.example.com/ping\n", func(g generator) string { return g.words() }},
	{"bearer", "/usr/local/bin/planted-bearer-{N}.sh", "#!/bin/sh\nwget --header='Authorization: Bearer {S}' https://api.example.com/v1/x\n", func(g generator) string { return g.alnum(40) }},
	{"unit-environment", "/etc/systemd/system/planted-{N}.service", "[Unit]\nDescription=worker\n[Service]\nEnvironment=QUEUE=mail \"API_TOKEN={S}\"\nExecStart=/opt/app/worker\n", func(g generator) string { return g.hex(40) }},
	{"sql-identified", "/etc/planted/grants-{N}.sql", "CREATE USER 'app'@'10.%' IDENTIFIED BY '{S}';\nGRANT ALL ON shop.* TO 'app'@'10.%';\n", password},
	{"sql-replica", "/etc/planted/replica-{N}.sql", "CHANGE MASTER TO MASTER_HOST='db1', MASTER_USER='repl', MASTER_PASSWORD='{S}', MASTER_USE_GTID=slave_pos;\n", password},
	{"mysql-hash", "/etc/planted/users-{N}.sql", "GRANT USAGE ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '*{S}';\n", func(g generator) string { return upper(g.hex(40)) }},
	{"crypt", "/etc/planted/preseed-{N}.cfg", "d-i passwd/root-password-crypted password {S}\n", func(g generator) string { return "$6$" + g.alnum(8) + "$" + g.alnum(64) }},
	{"htpasswd", "/etc/nginx/planted-{N}.htpasswd", "admin:{S}\n", func(g generator) string { return "$apr1$" + g.alnum(8) + "$" + g.alnum(22) }},
	{"private-key", "/etc/planted/both-{N}.conf", "cert=inline\n{S}\nend=yes\n", func(g generator) string { return g.pem() }},
	{"pgpass", "/srv/planted/pg-{N}/.pgpass", "10.1.2.3:5432:shop:app:{S}\n", password},
	{"netrc", "/srv/planted/netrc-{N}/.netrc", "machine ftp.example.com login app password {S}\n", password},
	{"sasl-passwd", "/etc/postfix/sasl_passwd_{N}", "[smtp.example.com]:587 mailer:{S}\n", password},
	{"redis-conf", "/etc/redis/planted-{N}.conf", "port 6379\nrequirepass {S}\nmaxmemory 1gb\n", password},
	{"haproxy", "/etc/haproxy/planted-{N}.cfg", "userlist ops\n    user admin insecure-password {S}\n", password},
	{"snmp", "/etc/snmp/planted-{N}.conf", "agentAddress udp:161\nrocommunity {S} 10.0.0.0/8\n", func(g generator) string { return g.words() }},
	{"tsig", "/etc/bind/planted-{N}.conf", "key \"xfer\" {\n\talgorithm hmac-sha256;\n\tsecret \"{S}\";\n};\n", func(g generator) string { return g.base64(44) }},
	{"wireguard", "/etc/planted/wg{N}.conf", "[Interface]\nAddress = 10.9.0.1/24\nPrivateKey = {S}\n", func(g generator) string { return g.base64(43) + "=" }},
	{"cifs", "/etc/planted/cifs-{N}.cred", "username=backup\npassword={S}\ndomain=CORP\n", password},
	{"cloud-key", "/srv/planted/aws-{N}/credentials", "[default]\naws_access_key_id = AKIAQ4SZXN2TVBD3WK7P\naws_secret_access_key = {S}\n", func(g generator) string { return g.base64(40) }},
	{"vendor-token", "/etc/planted/deploy-{N}.txt", "deploys with {S} since May\n", func(g generator) string { return "ghp_" + g.alnum(36) }},
	{"ldap", "/etc/planted/ldap-{N}.conf", "binddn cn=reader,dc=example\nbindpw {S}\nbase dc=example\n", password},
	{"rsyncd", "/etc/planted/rsyncd-{N}.secrets", "mirror:{S}\n", password},
	{"wifi", "/etc/planted/wpa_supplicant-{N}.conf", "network={\n\tssid=\"office\"\n\tpsk=\"{S}\"\n}\n", func(g generator) string { return g.words() }},
	{"fstab-option", "/etc/planted/mounts-{N}.fstab", "//nas/share /mnt/share cifs username=svc,password={S},uid=33 0 0\n", func(g generator) string { return g.words() }},
	{"docker-auth", "/srv/planted/docker-{N}/config.json", "{\n\t\"auths\": {\n\t\t\"registry.example.com\": {\n\t\t\t\"auth\": \"{S}\"\n\t\t}\n\t}\n}\n", func(g generator) string { return g.base64(32) }},
	{"comment", "/etc/planted/old-{N}.conf", "# password={S}  (until the spring)\nlisten=1\n", password},
}

func upper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}
