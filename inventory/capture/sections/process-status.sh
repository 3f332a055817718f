grep -e '^PPid:' -e '^Uid:' /proc/[0-9]*/status 2>/dev/null
exit 0
