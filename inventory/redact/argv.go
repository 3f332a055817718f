package redact

import "regexp"

// shellWord matches one word of a command line, quoted or not.
const shellWord = `(?P<secret>"[^"\n]*"|'[^'\n]*'|[^\s|;&<>"']+)`

// rule finds one kind of secret in a line: what its group "secret" matches.
type rule struct {
	kind string
	re   *regexp.Regexp
}

func newRule(kind, expression string) rule { return rule{kind, regexp.MustCompile(expression)} }

// argvRules describe how programs take secrets as arguments, and how URLs, SQL
// and HTTP headers carry them.
var argvRules = []rule{
	newRule("password", `\b(?:mysql\w*|mariadb[\w-]*|mydumper|myloader|mariabackup|xtrabackup|innobackupex|mytop|pt-[\w-]+|automysqlbackup)\b[^|;&\n]*?\s-p`+shellWord),
	newRule("password", `\bsshpass\s+-p\s*`+shellWord),
	newRule("password", `\b(?:redis-cli|valkey-cli)\b[^|;&\n]*?\s(?:-a|--pass)[ =]+`+shellWord),
	newRule("password", `\b(?:curl|wget|http|https|lftp|ab|siege)\b[^|;&\n]*?\s(?:-u|--user|--proxy-user|-U)[ =]?["']?[\w.@+-]+:(?P<secret>[^\s"']+)`),
	newRule("password", `\bldap(?:search|modify|add|delete|passwd|whoami)\b[^|;&\n]*?\s-w\s*`+shellWord),
	newRule("password", `\b(?:smbclient|rpcclient|smbget|net)\b[^|;&\n]*?\s-U\s*["']?[^\s%"']+%(?P<secret>[^\s"']+)`),
	newRule("password", `\bhtpasswd\b[^|;&\n]*?\s-\w*b\w*\s+(?:-\w+\s+)*\S+\s+\S+\s+`+shellWord),
	newRule("password", `\bopenssl\b[^|;&\n]*?\s-(?:k|K)\s+`+shellWord),
	newRule("password", `\bpass:(?P<secret>[^\s"']+)`),
	newRule("password", `\becho\s+(?:-n\s+)?["']?[\w.-]+:(?P<secret>[^\s"'|]+)["']?\s*\|\s*(?:sudo\s+)?chpasswd`),
	newRule("password", `\b(?:echo|printf)\s+(?:-n\s+)?`+shellWord+`\s*\|[^|\n]*(?:--password-stdin|--passphrase-fd|passwd\s+--stdin|sudo\s+-S|cryptsetup|--stdin)`),
	newRule("password", `\b(?:zip|unzip)\b[^|;&\n]*?\s-P\s*`+shellWord),
	newRule("password", `\b(?:7z|7za|rar|unrar)\b[^|;&\n]*?\s-h?p`+shellWord),
	newRule("password", `\b(?:mongo|mongosh|mongodump|mongorestore|ipmitool|sqlcmd|mosquitto_pub|mosquitto_sub|rabbitmqadmin|docker login|podman login|helm registry login)\b[^|;&\n]*?\s-[pP]\s*`+shellWord),
	newRule("community", `\bsnmp(?:get|walk|bulkwalk|set|trap)\b[^|;&\n]*?\s-c\s*`+shellWord),
	newRule("password", `\buseradd\b[^|;&\n]*?\s-p\s+`+shellWord),
	newRule("token", `(?i)\bauthorization["']?\s*[:=]\s*["']?(?:bearer|basic|token|apikey|digest)\s+(?P<secret>[^\s"',]+)`),
	newRule("token", `(?i)\bbearer\s+(?P<secret>[A-Za-z0-9._~+/=-]{16,})`),
	newRule("token", `(?i)\bx-[\w-]*(?:key|token|secret|auth)["']?\s*[:=]\s*["']?(?P<secret>[^\s"',]+)`),
	newRule("token", `(?i)\bproxy_set_header\s+(?P<key>[\w-]+)\s+`+shellWord),
	newRule("password", `(?:^|\s)--?(?P<key>[A-Za-z][\w-]*)\s+(?P<secret>"[^"\n]*"|'[^'\n]*'|[^\s\-|;&"'][^\s|;&"']*)`),

	newRule("password", `\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@"'<>]*:(?P<secret>[^\s/"'<>]+)@`),
	newRule("password", `\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@"'<>]*:(?P<secret>[^\s@"'<>]+)@`),
	newRule("password", `[\w.%+-]*:(?P<secret>[^\s"'<>]+)@(?:tcp[46]?|udp|unix|cloudsql(?:-\w+)?)\(`), // Go's MySQL driver: user:password@tcp(host)/name
	newRule("token", `\bhttps?://(?P<secret>[^\s:/@"'<>]+)@`),
	newRule("token", `[?&](?P<key>[\w.-]+)=(?P<secret>[^\s&"'#<>]+)`),
	newRule("token", `(?i)[?&](?:sig|signature|key|code|sv_sig|x-amz-signature|auth)=(?P<secret>[^\s&"'#<>]{8,})`),
	newRule("token", `https://hooks\.slack\.com/(?:services|workflows)/(?P<secret>[\w/+-]+)`),
	newRule("token", `https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/(?P<secret>[\w/-]+)`),
	newRule("token", `https://api\.telegram\.org/bot(?P<secret>[\w:-]+)`),
	newRule("token", `https://[\w.-]+\.webhook\.office\.com/(?P<secret>[\w/@-]+)`),

	newRule("password", `(?i)\bidentified\s+(?:by|with\s+\S+\s+(?:by|as)|via\s+\S+\s+using)\s+(?:password\s+)?(?P<secret>'[^'\n]*'|"[^"\n]*")`),
	newRule("password", `(?i)\bset\s+password\b[^=\n]*=\s*(?:password\s*\(\s*)?(?P<secret>'[^'\n]*'|"[^"\n]*")`),
	newRule("password", `(?i)\b(?:(?:encrypted\s+)?password|pgp_sym_(?:en|de)crypt\([^,\n]*,)\s+(?P<secret>'[^'\n]*')`),
	newRule("password", `(?i)\bpassword\s*\(\s*(?P<secret>'[^'\n]*'|"[^"\n]*")`),

	newRule("password hash", `(?P<secret>\$(?:1|2[abxy]?|5|6|7|y|gy|apr1|argon2\w*|A|scrypt|pbkdf2[\w-]*|sha1|md5)\$[A-Za-z0-9./$=,+*-]{8,})`),
	newRule("password hash", `(?P<secret>\*[0-9A-F]{40})\b`),
	newRule("password hash", `(?P<secret>\{(?:S?SHA(?:256|512)?|S?MD5|CRYPT|PLAIN|BLF-CRYPT|SHA(?:256|512)-CRYPT|PBKDF2|ARGON2\w*|CRAM-MD5|CLEARTEXT)(?:\.\w+)?\}[^\s:,"']+)`),
	newRule("password hash", `\b(?P<secret>SCRAM-SHA-\d+\$[^\s"']+)`),
	newRule("password hash", `["'](?P<secret>md5[0-9a-f]{32})["']`),
	newRule("password hash", `(?P<secret>grub\.pbkdf2\.\w+\.[0-9A-Fa-f.]+)`),

	newRule("password", `(?i)\bcreateUser\s+\S+\s+(?:-\w+\s+)?(?:MD5|SHA(?:-\d+)?)\s+`+shellWord),
	newRule("password", `(?i)\bcreateUser\s+\S+\s+(?:MD5|SHA(?:-\d+)?)\s+(?:"[^"]*"|\S+)\s+(?:DES|AES)\s+`+shellWord),
	newRule("community", `(?i)^\s*(?:ro|rw|trap)community6?\s+`+shellWord),
	newRule("community", `(?i)^\s*com2sec6?\s+(?:-Cn\s+\S+\s+)?\S+\s+\S+\s+`+shellWord),
	newRule("community", `(?i)^\s*trap2?sink\s+\S+\s+`+shellWord),
	newRule("password", `(?i)^\s*SQLConnectInfo\s+\S+\s+\S+\s+`+shellWord),
	newRule("password", `(?i)^\s*(?:stats\s+auth|http-request\s+auth\s+user)\s+[^\s:]+:(?P<secret>\S+)`),
	newRule("password", `(?i)^\s*user\s+\S+\s+.*?[\s](?P<secret>[><#!][^\s]{3,})`), // Redis ACL
	newRule("key", `(?i)^\s*secret\s+(?P<secret>"[^"\n]+")`),                       // TSIG
	newRule("password", `(?i)^\s*:?\s*(?:\S+\s+)*:?\s*(?:PSK|XAUTH|EAP)\s+(?P<secret>"[^"\n]*"|0[xs]\S+)`),
	newRule("password", `(?i)\bnagios|\$USER\d+\$\s*=\s*(?P<secret>[^\s/].*)$`),
	newRule("password", `(?i)\bcn=[^\n]*?credentials="?(?P<secret>[^\s"]+)`),
	newRule("password", `(?i)\b_(?:authToken|password|auth)\s*=\s*(?P<secret>\S+)`),
	newRule("password", `(?i)[,\s](?:password|pass|passwd|passphrase)=(?P<secret>"[^"\n]*"|'[^'\n]*'|[^\s,;"']+)`),
}

// argv finds secrets in command lines, URLs and SQL statements.
func (d *document) argv(at int, line string) {
	for _, rule := range argvRules {
		if d.passwordIsKeyword && rule.kind == "password" {
			continue
		}
		d.addGroups(rule.re, at, line, rule.kind)
	}
}
