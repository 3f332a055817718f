package redact

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// suspicious matches every line that could hold a secret that its names give
// away.
var suspicious = regexp.MustCompile(`(?i)pass|pwd|pw\b|secret|token|key|cred|salt|auth|psk|communit|pin\b|identified|://|@\w+\(|-p|-u|-w|-a|-k|bearer|basic|\$[a-z0-9]+\$|\*[0-9a-f]{40}|user|cookie|jwt|signature|\{[A-Z0-9-]+\}|scram|md5`)

// The alternatives of suspicious: fixed words, and a character or word that each
// other alternative contains.
var (
	suspiciousWords = strings.Fields("pass pwd secret token key cred salt auth psk communit identified :// -p -u -w -a -k bearer basic user cookie jwt signature scram md5")
	suspiciousParts = []string{"pw", "pin", "@", "$", "*", "{"}
)

// isSuspicious is suspicious.MatchString at a fraction of its price, as it is
// called for every word of an inventory.
func isSuspicious(text string) bool {
	if strings.ContainsFunc(text, func(c rune) bool { return c >= utf8.RuneSelf }) {
		return suspicious.MatchString(text) // (?i) folds other letters to s and k
	}
	lower := strings.ToLower(text)
	has := func(word string) bool { return strings.Contains(lower, word) }
	return slices.ContainsFunc(suspiciousWords, has) || slices.ContainsFunc(suspiciousParts, has) && suspicious.MatchString(text)
}

var camel = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// splitName splits a name into lower-case words: DB_PASSWORD, dbPassword,
// db-password and db.password are all [db password].
func splitName(name string) []string {
	name = camel.ReplaceAllString(name, "${1}_$2")
	return strings.FieldsFunc(strings.ToLower(name), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
}

// harmlessEndings are last words of names of settings that describe a secret and
// do not hold one.
var harmlessEndings = strings.Fields(`file files path paths dir directory folder len length ttl expiry expires expire expiration timeout age
	policy algorithm algo type format name names enabled enable disabled required authentication days min max size count bits prompt
	field column header label id ids class provider encoding method methods reset change changed strength rounds cost command cmd
	program source mode check validation complexity history retries attempts lifetime interval rotation store manager service
	endpoint plugin plugins driver version ref agent env var variable url uri warn warnage aging quality minlen scheme charset
	verification validator validators hashers cache owner group user allowed callback protected reqd`)

// secretParts are parts of names, without separators, whose values are secrets.
var secretParts = []string{
	"password", "passwd", "passphrase", "passwort", "passcode", "secret", "apikey", "accesskey", "privatekey", "authkey",
	"encryptionkey", "encryptkey", "signingkey", "signkey", "masterkey", "appkey", "cryptkey", "hashkey", "licensekey", "licencekey",
	"credential", "requirepass", "masterauth", "masterpass", "bindpw", "rootpw", "authtok", "presharedkey", "sharedkey",
	"securityauthkey", "loggedinkey", "noncekey", "hmackey", "jwtkey", "keydata", "rocommunity", "rwcommunity", "trapcommunity",
	"authtoken", "accesstoken", "refreshtoken", "bottoken", "apitoken", "securekey", "wepkey", "storagekey", "accountkey", "sstauth",
	"userpw", "adminpw", "dbpass", "userpass", "adminpass", "defaultpass", "smtppass", "mailpass", "ftppass", "authpass", "sqlpass",
}

// secretEndings are words that make a name secret only as its last word.
var secretEndings = []string{"pass", "pw", "pwd", "psk", "salt", "token", "tokens", "jwt", "community", "pin", "hmac", "sas", "auth"}

// passVerbs are the words before "pass" that give it another meaning: proxy_pass.
var passVerbs = []string{"proxy", "fastcgi", "uwsgi", "scgi", "grpc", "memcached", "by", "first", "use", "try", "band", "over", "redis2", "drizzle"}

// credentialFiles are settings of systemd that name files of credentials.
var credentialFiles = []string{"loadcredential", "loadcredentialencrypted", "importcredential"}

// secretName reports whether a setting of this name holds a secret.
func secretName(name string) bool {
	w := splitName(name)
	for len(w) > 1 && isNumber(w[len(w)-1]) { // PASSWORD_1
		w = w[:len(w)-1]
	}
	if len(w) == 0 {
		return false
	}
	joined := strings.Join(w, "")
	last := w[len(w)-1]
	if slices.Contains(w, "public") || strings.HasPrefix(joined, "nopass") || slices.Contains(credentialFiles, joined) {
		return false
	}
	if slices.Contains(harmlessEndings, last) && !(last == "hash") {
		return false
	}
	for _, h := range secretParts {
		if strings.Contains(joined, h) {
			return true
		}
	}
	if slices.Contains(secretEndings, last) {
		switch {
		case last == "auth":
			return joined == "auth" || joined == "httpauth" || joined == "smtpauth"
		case last == "pwd" && len(w) == 1 && strings.ToUpper(name) == name, joined == "oldpwd":
			return false // the working directory
		case last == "pass" && len(w) > 1 && slices.Contains(passVerbs, w[len(w)-2]):
			return false
		case last == "tokens" && len(w) > 1 && slices.Contains([]string{"server", "max", "min"}, w[len(w)-2]):
			return false
		}
		return true
	}
	return strings.HasSuffix(joined, "requirepass") || strings.HasSuffix(joined, "token")
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// kindOf returns the kind of secret that a setting of this name holds.
func kindOf(name string) string {
	joined := strings.Join(splitName(name), "")
	switch {
	case strings.Contains(joined, "privatekey"), strings.Contains(joined, "keydata"):
		return "private key"
	case strings.Contains(joined, "token"), strings.Contains(joined, "jwt"):
		return "token"
	case strings.Contains(joined, "pass"), strings.HasSuffix(joined, "pw"), strings.HasSuffix(joined, "pwd"):
		return "password"
	case strings.Contains(joined, "key"):
		return "key"
	}
	return "secret"
}

// harmlessValues are not secrets, whatever the name of the setting.
var harmlessValues = strings.Fields(`true false yes no on off none null nil undefined required requisite sufficient optional include
	substack ask prompt enabled disabled default md5 sha256 sha512 scram-sha-256 trust peer ident reject cert plain login any all
	unix_socket systemd files compat nis string text required: object array boolean`)

var (
	// reference matches a value that refers to a secret kept elsewhere: a
	// variable, a template, a call.
	reference = regexp.MustCompile(`^(\$\{[^}]*\}|\$\([^)]*\)|\$[A-Z_][A-Z0-9_]*|\$[a-z_]+|%\(?\w+\)?[s%]?|\{\{.*\}\}|<%.*%>|\$\{\{.*\}\}|@[A-Z_]+@|__[A-Z_]+__|<[^>]+>|\*+|!|env\(.*\)|` +
		`(os\.environ|process\.env|getenv|ENV\[|System\.getenv|vault:|!vault|!reference|file:|secret://|ref\+).*)$`)
	// filePath matches the absolute path of a file.
	filePath = regexp.MustCompile(`^~?/(etc|var|usr|run|srv|opt|home|root|tmp|dev|proc|mnt|data|secrets?|certs?|app|lib|s?bin|boot|media|\.[\w-]+)(/[\w.@%+-]*)+$`)
	// pamControl matches the second word of a line of pam.conf(5), whose first
	// word may be "password".
	pamControl = regexp.MustCompile(`^(required|requisite|sufficient|optional|include|substack|\[success=.*|@include)$`)

	duration = regexp.MustCompile(`^\d{1,5}\s*(s|m|h|d|ms|min|hours?|days?|minutes?|seconds?)$`)
)

// harmless reports whether a value is not a secret although the setting's name
// says so. A quoted value is never an expression of a program.
func harmless(name, value string, quoted bool) bool {
	v := strings.TrimSpace(value)
	if v == "" || token.MatchString(v) && strings.HasPrefix(v, prefix) || len(v) < 2 && !isNumber(v) {
		return true
	}
	if slices.Contains(harmlessValues, strings.ToLower(v)) || filePath.MatchString(v) || duration.MatchString(v) {
		return true
	}
	if reference.MatchString(v) && !(quoted && strings.HasPrefix(v, "$") && !strings.ContainsAny(v, "{(") && strings.ContainsAny(v, "0123456789")) {
		return true
	}
	if first, _, _ := strings.Cut(v, " "); !quoted && (pamControl.MatchString(first) || strings.HasPrefix(first, "$(") || strings.HasPrefix(first, "`")) {
		return true
	}
	if w := splitName(name); len(w) > 0 && w[len(w)-1] == "pin" && !isNumber(v) {
		return true // a pin in apt's preferences
	}
	// A number is a password only where the name says exactly that.
	if isNumber(v) {
		w := splitName(name)
		last := w[len(w)-1]
		return len(v) < 4 || !(strings.Contains(last, "pass") || last == "pw" || last == "pwd" || last == "pin" || last == "secret" || last == "token" || last == "psk" || last == "community")
	}
	return false
}
