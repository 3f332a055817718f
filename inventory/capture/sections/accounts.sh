cat /etc/passwd
echo
cat /etc/group
