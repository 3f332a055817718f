mysql_client
ask "SELECT User, Host FROM mysql.user"
