cat /proc/swaps
