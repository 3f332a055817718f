# Only the certificates are printed of each file: a key beside one never leaves the host.
need find
set --
for p in /etc /usr/local/etc /var/lib/acme /var/lib/caddy; do
	[ -d "$p" ] && set -- "$@" "$p"
done
find "$@" -xdev -type f -size -256k ! -path /etc/ssl/certs/ca-certificates.crt ! -path /etc/ssl/certs/ssl-cert-snakeoil.pem ! -path '/etc/pki/ca-trust/*' \
	\( -name '*.pem' -o -name '*.crt' -o -name '*.cer' -o -name '*.cert' \) -exec awk '
BEGIN {
	for (i = 1; i < ARGC; i++) {
		inside = 0; named = 0
		while ((getline line < ARGV[i]) > 0) {
			if (line ~ /^-----BEGIN (TRUSTED )?CERTIFICATE-----/) {
				inside = 1
				if (!named) { printf "%s%c", ARGV[i], 0; named = 1 }
			}
			if (inside) print line
			if (line ~ /^-----END /) inside = 0
		}
		close(ARGV[i])
		if (named) printf "%c", 0
	}
}' {} +
