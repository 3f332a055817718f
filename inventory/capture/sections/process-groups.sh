grep . /proc/[0-9]*/cgroup 2>/dev/null
exit 0
