# The first arguments of each process show which script an interpreter runs.
head -z -v -n 6 /proc/[0-9]*/cmdline 2>/dev/null
exit 0
