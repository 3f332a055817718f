# Whether there is a password, never its hash.
need passwd
passwd -S -a
