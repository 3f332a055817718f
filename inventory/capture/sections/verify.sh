# Checks every packaged file against its package's record.
if [ -s /var/lib/dpkg/status ]; then
	need dpkg
	dpkg --verify
else
	need rpm
	rpm -V -a --nodeps --noscripts
fi
exit 0
