[ -r /proc/mdstat ] || { echo "the kernel has no software RAID" >&2; exit 90; }
cat /proc/mdstat
