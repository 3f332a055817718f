# The packages of files on a host with RPM, with the digests of configuration files.
need rpm
rpm -qa --qf '[%{=NAME}\t%{FILEFLAGS:fflags}\t%{FILEDIGESTS}\t%{FILENAMES}\n]' |
	awk -F'\t' '$4 ~ "^/etc/" || $4 ~ "/systemd/system/" || $4 ~ "/s?bin/" || $4 ~ "/libexec/"'
