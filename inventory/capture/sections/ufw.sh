need ufw
ufw status verbose
