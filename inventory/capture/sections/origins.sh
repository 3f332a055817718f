# The repositories that offer the installed packages. This is cheap only if apt
# keeps a cache.
if [ -s /var/lib/dpkg/status ]; then
	need apt-cache
	[ -s /var/cache/apt/pkgcache.bin ] || [ "$deep" = yes ] || {
		echo "apt keeps no cache here; capture --deep asks without one" >&2
		exit 91
	}
	set -- /var/lib/apt/lists/*_Packages*
	[ -e "$1" ] || { echo "apt has no lists of packages here" >&2; exit 90; }
	dpkg-query -W -f '${Package}:${Architecture}\n' | xargs apt-cache policy
	exit
fi
exit 0
