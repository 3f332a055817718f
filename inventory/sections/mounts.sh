cat /proc/self/mounts
