# What was installed automatically (Debian) or by hand (RPM), in the tool's own
# record: asking apt or dnf takes a second of the host's time.
if [ -s /var/lib/dpkg/status ]; then
	[ -r /var/lib/apt/extended_states ] || exit 0
	grep -e '^Package:' -e '^Architecture:' -e '^Auto-Installed:' /var/lib/apt/extended_states
	exit 0
fi
need dnf
dnf -C -q repoquery --userinstalled --qf '%{name}\n'
