need df
df -P -T -k -l
