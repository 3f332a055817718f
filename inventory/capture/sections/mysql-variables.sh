mysql_client
ask "SHOW GLOBAL VARIABLES WHERE Variable_name IN (@VARIABLES@)"
