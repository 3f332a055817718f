package capture

import (
	"path"
	"slices"
	"strings"
)

// neverRead matches files that hold nothing but secrets. They are listed with
// owner and mode and in the manifest of secrets, and are neither hashed nor fetched.
var neverRead = patterns{
	"shadow", "shadow-", "gshadow", "gshadow-", "opasswd", "*.shadow",
	"ssh_host_*_key", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_*_sk", "identity",
	"*.key", "*-key.pem", "privkey*.pem", "*_key.pem", "private_key*", "*.p12", "*.pfx", "*.jks", "*.keystore",
	"*.kdbx", "*.keytab", "krb5.keytab", "*.ppk", "*.gpg~", "secring.gpg", "private-keys-v1.d", "*.asc.key",
	"random-seed", "luks-*", "*.luks", "crypto_keyfile.bin", "*.secret", ".erlang.cookie", "secrets.tdb",
	"passdb.tdb", "ssl-cert-snakeoil.key", "wg*.key", "tls.key", "rndc.key", "*.kek", "master.key", "credentials.yml.key",
}

// publicKeys are the folders of the keys that sign repositories. Only there is a
// file named *.key public.
var publicKeys = append([]string{"/etc/pki/rpm-gpg/"}, repositoryKeys...)

const publicKey = "*.key"

// patterns are shell patterns for the last element of a path.
type patterns []string

func (p patterns) match(file string) bool {
	base := path.Base(file)
	is := func(pattern string) bool {
		ok, err := path.Match(pattern, base)
		return err == nil && ok
	}
	isIn := func(dir string) bool { return strings.HasPrefix(file, dir) }
	return slices.ContainsFunc(p, is) && !(is(publicKey) && slices.ContainsFunc(publicKeys, isIn))
}

// findArguments returns the arguments of find(1) that exclude the matching files.
func (p patterns) findArguments() string {
	var b strings.Builder
	b.WriteString(`\(`)
	for _, dir := range publicKeys {
		b.WriteString(" -path '" + dir + "*' -name '" + publicKey + "' -o")
	}
	b.WriteString(` \(`)
	for _, pattern := range p {
		b.WriteString(" ! -name '" + pattern + "'")
	}
	return b.String() + ` \) \)`
}
