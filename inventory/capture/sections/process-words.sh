# The first words of each command line tell what an interpreter runs.
head -z -v -n 6 /proc/[0-9]*/cmdline 2>/dev/null
exit 0
