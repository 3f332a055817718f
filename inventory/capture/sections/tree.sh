# Every file, folder and link of the system's configuration. No network file system
# is walked (-xdev, and /etc is local).
need find
for p; do
	[ -e "$p" ] || continue
	find "$p" -xdev \( -type f -o -type d -o -type l \) -printf '%y\0%m\0%U\0%G\0%u\0%g\0%s\0%p\0%l\0' || status=1
done
exit ${status:-0}
