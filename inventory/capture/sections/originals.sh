# Prints the hashes of the originals that files of /etc are copied from, then the
# alternatives that were set by hand, then the lines of files that scripts compose,
# without comments.
need sha256sum
for f in @ORIGINALS@; do
	[ ! -f "$f" ] || set -- "$@" "$f"
done
[ $# = 0 ] || sha256sum -z -- "$@" || status=1
grep -lx manual /var/lib/dpkg/alternatives/* /var/lib/alternatives/* 2>/dev/null | sed 's|.*/|manual |'
for f in @WRITTEN@; do
	[ -f "$f" ] || continue
	echo "file $f"
	sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$f" | head -c 65536 || status=1
	echo
done
exit ${status:-0}
