mysql_client
# The settings that were set, and where. Each flavor has a table of its own for this.
case $(ask "SELECT VERSION()") in
*MariaDB*) ask "SELECT VARIABLE_NAME, GLOBAL_VALUE, GLOBAL_VALUE_ORIGIN FROM information_schema.SYSTEM_VARIABLES
	WHERE GLOBAL_VALUE_ORIGIN IN ('CONFIG', 'COMMAND-LINE', 'SQL') AND NOT (GLOBAL_VALUE <=> DEFAULT_VALUE)" ;;
?*) ask "SELECT i.VARIABLE_NAME, g.VARIABLE_VALUE, i.VARIABLE_SOURCE FROM performance_schema.variables_info i
	JOIN performance_schema.global_variables g USING (VARIABLE_NAME) WHERE i.VARIABLE_SOURCE <> 'COMPILED'" ;;
esac
