need ip
ip route show
ip -6 route show 2>/dev/null
exit 0
