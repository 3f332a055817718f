need lsblk
lsblk -P -b -o NAME,PKNAME,TYPE,SIZE,FSTYPE,MODEL
