package redact

import (
	"path"
	"regexp"
	"strings"
)

// format is a file format in which every line has the same fields, and the secret
// is always the same field.
type format struct {
	names []string // patterns of the file's name, see path.Match
	kind  string
	re    *regexp.Regexp // matches one line
}

func newFormat(kind, expression string, names ...string) format {
	return format{names, kind, regexp.MustCompile(expression)}
}

var fileFormats = []format{
	newFormat("password", `^[^#\n][^:\n]*:[^:\n]*:[^:\n]*:[^:\n]*:(?P<secret>[^\n]+)`, ".pgpass", "pgpass", "*.pgpass", "pgpass.conf"),
	newFormat("password hash", `^[^#:\n]+:(?:[^:\n]*:)?(?P<secret>[^:\n]+)`, "*htpasswd*", "*htdigest*", "*.htdigest", "rsyncd.secrets", "*.secrets",
		"passwd.dovecot", "userdb", "users.passwd", "vsftpd_login*", "pureftpd.passwd", "ftpd.passwd", "passwd.client", "webdav.passwd", "passwordfile"),
	newFormat("password", `^[^#\s][^\n]*?\s+(?:[^\s:]+:)?(?P<secret>\S+)\s*$`, "sasl_passwd*", "smtp_auth*", "smtp_passwd*", "relay_passwd*", "sender_passwd*"),
	newFormat("password", `^\s*[^#\s]\S*\s+\S+\s+(?P<secret>"[^"\n]*"|\S+)`, "chap-secrets", "pap-secrets", "srp-secrets"),
	newFormat("password", `(?:password|passwd|account)\s+(?P<secret>\S+)`, ".netrc", "netrc", "_netrc", "*.netrc"),
	newFormat("token", `^\s*(?P<secret>\S[^\n]*?)\s*$`, ".vault-token", "*.token", ".token", "*.pass", "*.passwd.txt", "*_password", "*_token",
		"*.passphrase", "passphrase", "*-password", "*-token", "password.txt", "token.txt", "auth.txt", "up.txt", "login.conf.up", "*.psk", "api_key", "api-key"),
	newFormat("token", `"[\w.-]+"\s*:\s*(?P<secret>"[^"\n]{8,}")`, "auth.json", ".dockercfg"),
	newFormat("token", `"(?:auth|identitytoken|registrytoken|password)"\s*:\s*(?P<secret>"[^"\n]*")`, "config.json"),
	newFormat("secret", `^\s*(?:password|passwd|pass|username_password)\s*=\s*(?P<secret>[^\n]+)`, "*cred*", "*.smb*", "*cifs*"),
	newFormat("key", `^\s*(?:Private|Preshared)Key\s*=\s*(?P<secret>\S+)`, "wg*.conf", "*.netdev"),
	newFormat("password", `(?i)^\s*(?:psk|wpa_passphrase|wpa_psk|wep_key\d|password|private_key_passwd)\s*=\s*(?P<secret>[^\n]+)`, "wpa_supplicant*", "hostapd*", "*.nmconnection"),
}

// formats finds the secrets of a file whose name tells its format.
func (d *document) formats() {
	if d.passwordIsKeyword || d.base == "passwd" || d.base == "group" {
		return
	}
	for _, format := range fileFormats {
		if !matchAny(format.names, d.base) {
			continue
		}
		at := 0
		for line := range strings.Lines(d.text) {
			if !isComment(line) {
				d.addGroups(format.re, at, strings.TrimRight(line, "\r\n"), format.kind)
			}
			at += len(line)
		}
	}
}

func matchAny(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if ok, err := path.Match(pattern, name); err == nil && ok {
			return true
		}
	}
	return false
}
