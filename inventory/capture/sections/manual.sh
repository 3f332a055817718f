# The packages that were installed automatically (Debian) or on request (RPM). apt's
# own record is read, as asking apt takes a second of the host's time.
if [ -s /var/lib/dpkg/status ]; then
	[ -r /var/lib/apt/extended_states ] || exit 0
	grep -e '^Package:' -e '^Architecture:' -e '^Auto-Installed:' /var/lib/apt/extended_states
	exit 0
fi
need dnf
dnf -C -q repoquery --userinstalled --qf '%{name}\n'
