package redact

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// telling is in every line that could give a secret away by its names.
var telling = regexp.MustCompile(`(?i)pass|pwd|pw\b|secret|token|key|cred|salt|auth|psk|communit|pin\b|identified|://|@\w+\(|-p|-u|-w|-a|-k|bearer|basic|\$[a-z0-9]+\$|\*[0-9a-f]{40}|user|cookie|jwt|signature|\{[A-Z0-9-]+\}|scram|md5`)

// Of telling: the words that need no expression, and what the others begin with.
var (
	tellingWords = strings.Fields("pass pwd secret token key cred salt auth psk communit identified :// -p -u -w -a -k bearer basic user cookie jwt signature scram md5")
	tellingMaybe = []string{"pw", "pin", "@", "$", "*", "{"}
)

// interesting is telling.MatchString, at a fraction of its price: it is asked of
// every word of an inventory.
func interesting(text string) bool {
	if strings.ContainsFunc(text, func(c rune) bool { return c >= utf8.RuneSelf }) {
		return telling.MatchString(text) // (?i) knows other letters for s and k
	}
	lower := strings.ToLower(text)
	has := func(word string) bool { return strings.Contains(lower, word) }
	return slices.ContainsFunc(tellingWords, has) || slices.ContainsFunc(tellingMaybe, has) && telling.MatchString(text)
}

var camel = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// words takes a name apart: DB_PASSWORD, dbPassword, db-password, db.password.
func words(name string) []string {
	name = camel.ReplaceAllString(name, "${1}_$2")
	return strings.FieldsFunc(strings.ToLower(name), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
}

// about ends the names of settings that are about secrets, and hold none.
var about = strings.Fields(`file files path paths dir directory folder len length ttl expiry expires expire expiration timeout age
	policy algorithm algo type format name names enabled enable disabled required authentication days min max size count bits prompt
	field column header label id ids class provider encoding method methods reset change changed strength rounds cost command cmd
	program source mode check validation complexity history retries attempts lifetime interval rotation store manager service
	endpoint plugin plugins driver version ref agent env var variable url uri warn warnage aging quality minlen scheme charset
	verification validator validators hashers cache owner group user allowed callback protected reqd`)

// holders are the parts of names, written together, whose values are secrets.
var holders = []string{
	"password", "passwd", "passphrase", "passwort", "passcode", "secret", "apikey", "accesskey", "privatekey", "authkey",
	"encryptionkey", "encryptkey", "signingkey", "signkey", "masterkey", "appkey", "cryptkey", "hashkey", "licensekey", "licencekey",
	"credential", "requirepass", "masterauth", "masterpass", "bindpw", "rootpw", "authtok", "presharedkey", "sharedkey",
	"securityauthkey", "loggedinkey", "noncekey", "hmackey", "jwtkey", "keydata", "rocommunity", "rwcommunity", "trapcommunity",
	"authtoken", "accesstoken", "refreshtoken", "bottoken", "apitoken", "securekey", "wepkey", "storagekey", "accountkey", "sstauth",
	"userpw", "adminpw", "dbpass", "userpass", "adminpass", "defaultpass", "smtppass", "mailpass", "ftppass", "authpass", "sqlpass",
}

// lone are whole words that say so as the last of a name.
var lone = []string{"pass", "pw", "pwd", "psk", "salt", "token", "tokens", "jwt", "community", "pin", "hmac", "sas", "auth"}

// passing are the words before "pass" that make it mean something else.
var passing = []string{"proxy", "fastcgi", "uwsgi", "scgi", "grpc", "memcached", "by", "first", "use", "try", "band", "over", "redis2", "drizzle"}

// systemd are settings that name credentials by their files.
var systemd = []string{"loadcredential", "loadcredentialencrypted", "importcredential"}

// secretName reports whether the value of a setting of this name is a secret.
func secretName(name string) bool {
	w := words(name)
	for len(w) > 1 && isNumber(w[len(w)-1]) { // PASSWORD_1
		w = w[:len(w)-1]
	}
	if len(w) == 0 {
		return false
	}
	joined := strings.Join(w, "")
	last := w[len(w)-1]
	if slices.Contains(w, "public") || strings.HasPrefix(joined, "nopass") || slices.Contains(systemd, joined) {
		return false
	}
	if slices.Contains(about, last) && !(last == "hash") {
		return false
	}
	for _, h := range holders {
		if strings.Contains(joined, h) {
			return true
		}
	}
	if slices.Contains(lone, last) {
		switch {
		case last == "auth":
			return joined == "auth" || joined == "httpauth" || joined == "smtpauth"
		case last == "pwd" && len(w) == 1 && strings.ToUpper(name) == name, joined == "oldpwd":
			return false // the working directory
		case last == "pass" && len(w) > 1 && slices.Contains(passing, w[len(w)-2]):
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

// kindOf says what the secret of a setting is.
func kindOf(name string) string {
	joined := strings.Join(words(name), "")
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

// settled are values that are no secrets whatever the name.
var settled = strings.Fields(`true false yes no on off none null nil undefined required requisite sufficient optional include
	substack ask prompt enabled disabled default md5 sha256 sha512 scram-sha-256 trust peer ident reject cert plain login any all
	unix_socket systemd files compat nis string text required: object array boolean`)

var (
	// reference is a value that names where the secret is: a variable, a
	// template, a call.
	reference = regexp.MustCompile(`^(\$\{[^}]*\}|\$\([^)]*\)|\$[A-Z_][A-Z0-9_]*|\$[a-z_]+|%\(?\w+\)?[s%]?|\{\{.*\}\}|<%.*%>|\$\{\{.*\}\}|@[A-Z_]+@|__[A-Z_]+__|<[^>]+>|\*+|!|env\(.*\)|` +
		`(os\.environ|process\.env|getenv|ENV\[|System\.getenv|vault:|!vault|!reference|file:|secret://|ref\+).*)$`)
	// somewhere is the path of a file.
	somewhere = regexp.MustCompile(`^~?/(etc|var|usr|run|srv|opt|home|root|tmp|dev|proc|mnt|data|secrets?|certs?|app|lib|s?bin|boot|media|\.[\w-]+)(/[\w.@%+-]*)+$`)
	// pam is the second word of a line of pam.conf(5), whose first may be "password".
	pam = regexp.MustCompile(`^(required|requisite|sufficient|optional|include|substack|\[success=.*|@include)$`)

	duration = regexp.MustCompile(`^\d{1,5}\s*(s|m|h|d|ms|min|hours?|days?|minutes?|seconds?)$`)
)

// harmless reports whether the value of a setting with a secret's name is none
// after all. A quoted value is never an expression of a program.
func harmless(name, value string, quoted bool) bool {
	v := strings.TrimSpace(value)
	if v == "" || token.MatchString(v) && strings.HasPrefix(v, prefix) || len(v) < 2 && !isNumber(v) {
		return true
	}
	if slices.Contains(settled, strings.ToLower(v)) || somewhere.MatchString(v) || duration.MatchString(v) {
		return true
	}
	if reference.MatchString(v) && !(quoted && strings.HasPrefix(v, "$") && !strings.ContainsAny(v, "{(") && strings.ContainsAny(v, "0123456789")) {
		return true
	}
	if first, _, _ := strings.Cut(v, " "); !quoted && (pam.MatchString(first) || strings.HasPrefix(first, "$(") || strings.HasPrefix(first, "`")) {
		return true
	}
	if w := words(name); len(w) > 0 && w[len(w)-1] == "pin" && !isNumber(v) {
		return true // of apt's preferences
	}
	// A number is a password where the name says just that.
	if isNumber(v) {
		w := words(name)
		last := w[len(w)-1]
		return len(v) < 4 || !(strings.Contains(last, "pass") || last == "pw" || last == "pwd" || last == "pin" || last == "secret" || last == "token" || last == "psk" || last == "community")
	}
	return false
}
