package inventory

import (
	"path"
	"strings"
)

// neverRead names files that hold nothing but secrets. They are listed, with
// their owner and mode, and neither hashed nor fetched: they are for the
// secrets manifest.
var neverRead = patterns{
	"shadow", "shadow-", "gshadow", "gshadow-", "opasswd", "*.shadow",
	"ssh_host_*_key", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_*_sk", "identity",
	"*.key", "*-key.pem", "privkey*.pem", "*_key.pem", "private_key*", "*.p12", "*.pfx", "*.jks", "*.keystore",
	"*.kdbx", "*.keytab", "krb5.keytab", "*.ppk", "*.gpg~", "secring.gpg", "private-keys-v1.d", "*.asc.key",
	"random-seed", "luks-*", "*.luks", "crypto_keyfile.bin", "*.secret", ".erlang.cookie", "secrets.tdb",
	"passdb.tdb", "ssl-cert-snakeoil.key", "wg*.key", "tls.key", "rndc.key", "*.kek", "master.key", "credentials.yml.key",
}

// publicKeys are folders whose keys are for everybody: those of repositories.
var publicKeys = []string{"/etc/apt/", "/etc/pki/rpm-gpg/"}

// patterns are shell patterns of the last part of a path.
type patterns []string

func (p patterns) match(file string) bool {
	for _, dir := range publicKeys {
		if strings.HasPrefix(file, dir) {
			return false
		}
	}
	base := path.Base(file)
	for _, pattern := range p {
		if ok, err := path.Match(pattern, base); err == nil && ok {
			return true
		}
	}
	return false
}

// find returns the arguments of find(1) that leave these files out.
func (p patterns) find() string {
	var b strings.Builder
	b.WriteString(`\(`)
	for _, dir := range publicKeys {
		b.WriteString(" -path '" + dir + "*' -o")
	}
	b.WriteString(` \(`)
	for _, pattern := range p {
		b.WriteString(" ! -name '" + pattern + "'")
	}
	return b.String() + ` \) \)`
}
