need sysctl
sysctl -a 2>/dev/null
exit 0
