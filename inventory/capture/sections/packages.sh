# The first line names the package manager. On a Debian system it is dpkg, even if
# rpm is installed.
if [ -s /var/lib/dpkg/status ]; then
	need dpkg-query
	echo dpkg
	dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\t${Version}\t${Architecture}\n${Conffiles}\n'
	exit
fi
need rpm
echo rpm
rpm -qa --qf '%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\t%{VENDOR}\n'
