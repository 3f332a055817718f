need ss
ss -H -n -t -u -p state established
