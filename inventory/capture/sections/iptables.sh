need iptables-save
iptables-save
