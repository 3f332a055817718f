mysql_client
case $(ask "SELECT VERSION()") in
*MariaDB*) statement='SHOW ALL SLAVES STATUS' ;;
*) statement='SHOW REPLICA STATUS' ;;
esac
ask "$statement" --vertical
