package redact

import (
	"path"
	"regexp"
	"strings"
)

// format is a file whose every line is built alike, with a secret in a fixed
// place.
type format struct {
	names []string // patterns of the last part of the path
	kind  string
	re    *regexp.Regexp // for each line
}

func f(kind, expression string, names ...string) format {
	return format{names, kind, regexp.MustCompile(expression)}
}

var fileFormats = []format{
	f("password", `^[^#\n][^:\n]*:[^:\n]*:[^:\n]*:[^:\n]*:(?P<secret>[^\n]+)`, ".pgpass", "pgpass", "*.pgpass", "pgpass.conf"),
	f("password hash", `^[^#:\n]+:(?:[^:\n]*:)?(?P<secret>[^:\n]+)`, "*htpasswd*", "*htdigest*", "*.htdigest", "rsyncd.secrets", "*.secrets",
		"passwd.dovecot", "userdb", "users.passwd", "vsftpd_login*", "pureftpd.passwd", "ftpd.passwd", "passwd.client", "webdav.passwd", "passwordfile"),
	f("password", `^[^#\s][^\n]*?\s+(?:[^\s:]+:)?(?P<secret>\S+)\s*$`, "sasl_passwd*", "smtp_auth*", "smtp_passwd*", "relay_passwd*", "sender_passwd*"),
	f("password", `^\s*[^#\s]\S*\s+\S+\s+(?P<secret>"[^"\n]*"|\S+)`, "chap-secrets", "pap-secrets", "srp-secrets"),
	f("password", `(?:password|passwd|account)\s+(?P<secret>\S+)`, ".netrc", "netrc", "_netrc", "*.netrc"),
	f("token", `^\s*(?P<secret>\S[^\n]*?)\s*$`, ".vault-token", "*.token", ".token", "*.pass", "*.passwd.txt", "*_password", "*_token",
		"*.passphrase", "passphrase", "*-password", "*-token", "password.txt", "token.txt", "auth.txt", "up.txt", "login.conf.up", "*.psk", "api_key", "api-key"),
	f("token", `"[\w.-]+"\s*:\s*(?P<secret>"[^"\n]{8,}")`, "auth.json", ".dockercfg"),
	f("token", `"(?:auth|identitytoken|registrytoken|password)"\s*:\s*(?P<secret>"[^"\n]*")`, "config.json"),
	f("secret", `^\s*(?:password|passwd|pass|username_password)\s*=\s*(?P<secret>[^\n]+)`, "*cred*", "*.smb*", "*cifs*"),
	f("key", `^\s*(?:Private|Preshared)Key\s*=\s*(?P<secret>\S+)`, "wg*.conf", "*.netdev"),
	f("password", `(?i)^\s*(?:psk|wpa_passphrase|wpa_psk|wep_key\d|password|private_key_passwd)\s*=\s*(?P<secret>[^\n]+)`, "wpa_supplicant*", "hostapd*", "*.nmconnection"),
}

// formats goes through the lines of a file of a known kind.
func (d *document) formats() {
	if d.prose || d.base == "passwd" || d.base == "group" {
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
