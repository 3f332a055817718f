package redact

import "regexp"

// word is a word of a command line, quoted or not.
const word = `(?P<secret>"[^"\n]*"|'[^'\n]*'|[^\s|;&<>"']+)`

// rule finds one kind of secret in a line.
type rule struct {
	kind string
	re   *regexp.Regexp
}

func r(kind, expression string) rule { return rule{kind, regexp.MustCompile(expression)} }

// argvRules know how programs take secrets as arguments, and how URLs, SQL and
// headers carry them.
var argvRules = []rule{
	r("password", `\b(?:mysql\w*|mariadb[\w-]*|mydumper|myloader|mariabackup|xtrabackup|innobackupex|mytop|pt-[\w-]+|automysqlbackup)\b[^|;&\n]*?\s-p`+word),
	r("password", `\bsshpass\s+-p\s*`+word),
	r("password", `\b(?:redis-cli|valkey-cli)\b[^|;&\n]*?\s(?:-a|--pass)[ =]+`+word),
	r("password", `\b(?:curl|wget|http|https|lftp|ab|siege)\b[^|;&\n]*?\s(?:-u|--user|--proxy-user|-U)[ =]?["']?[\w.@+-]+:(?P<secret>[^\s"']+)`),
	r("password", `\bldap(?:search|modify|add|delete|passwd|whoami)\b[^|;&\n]*?\s-w\s*`+word),
	r("password", `\b(?:smbclient|rpcclient|smbget|net)\b[^|;&\n]*?\s-U\s*["']?[^\s%"']+%(?P<secret>[^\s"']+)`),
	r("password", `\bhtpasswd\b[^|;&\n]*?\s-\w*b\w*\s+(?:-\w+\s+)*\S+\s+\S+\s+`+word),
	r("password", `\bopenssl\b[^|;&\n]*?\s-(?:k|K)\s+`+word),
	r("password", `\bpass:(?P<secret>[^\s"']+)`),
	r("password", `\becho\s+(?:-n\s+)?["']?[\w.-]+:(?P<secret>[^\s"'|]+)["']?\s*\|\s*(?:sudo\s+)?chpasswd`),
	r("password", `\b(?:echo|printf)\s+(?:-n\s+)?`+word+`\s*\|[^|\n]*(?:--password-stdin|--passphrase-fd|passwd\s+--stdin|sudo\s+-S|cryptsetup|--stdin)`),
	r("password", `\b(?:zip|unzip)\b[^|;&\n]*?\s-P\s*`+word),
	r("password", `\b(?:7z|7za|rar|unrar)\b[^|;&\n]*?\s-h?p`+word),
	r("password", `\b(?:mongo|mongosh|mongodump|mongorestore|ipmitool|sqlcmd|mosquitto_pub|mosquitto_sub|rabbitmqadmin|docker login|podman login|helm registry login)\b[^|;&\n]*?\s-[pP]\s*`+word),
	r("community", `\bsnmp(?:get|walk|bulkwalk|set|trap)\b[^|;&\n]*?\s-c\s*`+word),
	r("password", `\buseradd\b[^|;&\n]*?\s-p\s+`+word),
	r("token", `(?i)\bauthorization["']?\s*[:=]\s*["']?(?:bearer|basic|token|apikey|digest)\s+(?P<secret>[^\s"',]+)`),
	r("token", `(?i)\bbearer\s+(?P<secret>[A-Za-z0-9._~+/=-]{16,})`),
	r("token", `(?i)\bx-[\w-]*(?:key|token|secret|auth)["']?\s*[:=]\s*["']?(?P<secret>[^\s"',]+)`),
	r("token", `(?i)\bproxy_set_header\s+(?P<key>[\w-]+)\s+`+word),
	r("password", `(?:^|\s)--?(?P<key>[A-Za-z][\w-]*)\s+(?P<secret>"[^"\n]*"|'[^'\n]*'|[^\s\-|;&"'][^\s|;&"']*)`),

	r("password", `\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@"'<>]*:(?P<secret>[^\s/"'<>]+)@`),
	r("password", `\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@"'<>]*:(?P<secret>[^\s@"'<>]+)@`),
	r("password", `[\w.%+-]*:(?P<secret>[^\s"'<>]+)@(?:tcp[46]?|udp|unix|cloudsql(?:-\w+)?)\(`), // of the Go driver: user:password@tcp(host)/name
	r("token", `\bhttps?://(?P<secret>[^\s:/@"'<>]+)@`),
	r("token", `[?&](?P<key>[\w.-]+)=(?P<secret>[^\s&"'#<>]+)`),
	r("token", `(?i)[?&](?:sig|signature|key|code|sv_sig|x-amz-signature|auth)=(?P<secret>[^\s&"'#<>]{8,})`),
	r("token", `https://hooks\.slack\.com/(?:services|workflows)/(?P<secret>[\w/+-]+)`),
	r("token", `https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/(?P<secret>[\w/-]+)`),
	r("token", `https://api\.telegram\.org/bot(?P<secret>[\w:-]+)`),
	r("token", `https://[\w.-]+\.webhook\.office\.com/(?P<secret>[\w/@-]+)`),

	r("password", `(?i)\bidentified\s+(?:by|with\s+\S+\s+(?:by|as)|via\s+\S+\s+using)\s+(?:password\s+)?(?P<secret>'[^'\n]*'|"[^"\n]*")`),
	r("password", `(?i)\bset\s+password\b[^=\n]*=\s*(?:password\s*\(\s*)?(?P<secret>'[^'\n]*'|"[^"\n]*")`),
	r("password", `(?i)\b(?:(?:encrypted\s+)?password|pgp_sym_(?:en|de)crypt\([^,\n]*,)\s+(?P<secret>'[^'\n]*')`),
	r("password", `(?i)\bpassword\s*\(\s*(?P<secret>'[^'\n]*'|"[^"\n]*")`),

	r("password hash", `(?P<secret>\$(?:1|2[abxy]?|5|6|7|y|gy|apr1|argon2\w*|A|scrypt|pbkdf2[\w-]*|sha1|md5)\$[A-Za-z0-9./$=,+*-]{8,})`),
	r("password hash", `(?P<secret>\*[0-9A-F]{40})\b`),
	r("password hash", `(?P<secret>\{(?:S?SHA(?:256|512)?|S?MD5|CRYPT|PLAIN|BLF-CRYPT|SHA(?:256|512)-CRYPT|PBKDF2|ARGON2\w*|CRAM-MD5|CLEARTEXT)(?:\.\w+)?\}[^\s:,"']+)`),
	r("password hash", `\b(?P<secret>SCRAM-SHA-\d+\$[^\s"']+)`),
	r("password hash", `["'](?P<secret>md5[0-9a-f]{32})["']`),
	r("password hash", `(?P<secret>grub\.pbkdf2\.\w+\.[0-9A-Fa-f.]+)`),

	r("password", `(?i)\bcreateUser\s+\S+\s+(?:-\w+\s+)?(?:MD5|SHA(?:-\d+)?)\s+`+word),
	r("password", `(?i)\bcreateUser\s+\S+\s+(?:MD5|SHA(?:-\d+)?)\s+(?:"[^"]*"|\S+)\s+(?:DES|AES)\s+`+word),
	r("community", `(?i)^\s*(?:ro|rw|trap)community6?\s+`+word),
	r("community", `(?i)^\s*com2sec6?\s+(?:-Cn\s+\S+\s+)?\S+\s+\S+\s+`+word),
	r("community", `(?i)^\s*trap2?sink\s+\S+\s+`+word),
	r("password", `(?i)^\s*SQLConnectInfo\s+\S+\s+\S+\s+`+word),
	r("password", `(?i)^\s*(?:stats\s+auth|http-request\s+auth\s+user)\s+[^\s:]+:(?P<secret>\S+)`),
	r("password", `(?i)^\s*user\s+\S+\s+.*?[\s](?P<secret>[><#!][^\s]{3,})`), // Redis ACL
	r("key", `(?i)^\s*secret\s+(?P<secret>"[^"\n]+")`),                       // TSIG
	r("password", `(?i)^\s*:?\s*(?:\S+\s+)*:?\s*(?:PSK|XAUTH|EAP)\s+(?P<secret>"[^"\n]*"|0[xs]\S+)`),
	r("password", `(?i)\bnagios|\$USER\d+\$\s*=\s*(?P<secret>[^\s/].*)$`),
	r("password", `(?i)\bcn=[^\n]*?credentials="?(?P<secret>[^\s"]+)`),
	r("password", `(?i)\b_(?:authToken|password|auth)\s*=\s*(?P<secret>\S+)`),
	r("password", `(?i)[,\s](?:password|pass|passwd|passphrase)=(?P<secret>"[^"\n]*"|'[^'\n]*'|[^\s,;"']+)`),
}

// argv finds secrets by the programs, URLs and statements that carry them.
func (d *document) argv(at int, line string) {
	for _, rule := range argvRules {
		if d.prose && rule.kind == "password" {
			continue
		}
		d.addGroups(rule.re, at, line, rule.kind)
	}
}
