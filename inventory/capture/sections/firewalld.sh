need firewall-cmd
firewall-cmd --state >/dev/null 2>&1 || { echo "firewalld does not run here" >&2; exit 90; }
firewall-cmd --list-all-zones
