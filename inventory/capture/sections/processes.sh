need find
find /proc/[0-9]*/exe -maxdepth 0 -printf '%p\0%l\0' 2>/dev/null
exit 0
