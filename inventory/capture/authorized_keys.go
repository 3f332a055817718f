package capture

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/redact"
)

// defaultKeyFiles are the files that sshd reads keys from unless its
// configuration names others.
var defaultKeyFiles = []string{".ssh/authorized_keys", ".ssh/authorized_keys2"}

// sshd reads the lines of sshd_config(5) that name files of keys. Outside of Match
// blocks the first such line holds, as in sshd. The files of all Match blocks are
// added to it.
func (p *parser) sshd(text string) error {
	var all, some []string
	match := false
	for _, line := range lines(text) {
		key, value := setting(line)
		switch strings.ToLower(key) {
		case "file": // the script's mark that the next file begins
			match = false
		case "match":
			match = !strings.EqualFold(value, "all")
		case "authorizedkeysfile":
			switch {
			case match:
				some = append(some, strings.Fields(value)...)
			case len(all) == 0:
				all = strings.Fields(value)
			}
		case "authorizedkeyscommand":
			if command, _, _ := strings.Cut(value, " "); command != "none" {
				p.addMissing(inventory.Missing{What: "keys of AuthorizedKeysCommand", Reason: inventory.Skipped, Detail: command + " gives keys that are in no file"})
			}
		}
	}
	if len(all) == 0 {
		all = defaultKeyFiles
	}
	p.keyPatterns = slices.DeleteFunc(slices.Concat(all, some), func(s string) bool { return s == "none" })
	return nil
}

// setting splits a line of sshd_config(5): "Key value" or "Key=value".
func setting(line string) (key, value string) {
	line = strings.TrimSpace(line)
	end := strings.IndexAny(line, " \t=")
	if end < 0 {
		return line, ""
	}
	return line[:end], strings.ReplaceAll(strings.Trim(line[end:], " \t="), `"`, "")
}

// firstPersonUID is the first user ID that Debian and RHEL give to people.
const firstPersonUID = 1000

// keyFilesOf returns the files of the keys that a user may log in with. A person's
// account without a shell is included: sshd may serve files to it.
func (p *parser) keyFilesOf(u inventory.Account) []string {
	if !u.LoginShell() && u.UID < firstPersonUID || !strings.HasPrefix(u.Home, "/") {
		return nil
	}
	var files []string
	expand := strings.NewReplacer("%%", "%", "%h", u.Home, "%u", u.Name, "%U", strconv.Itoa(u.UID))
	for _, place := range p.keyPatterns {
		file := expand.Replace(place)
		if !path.IsAbs(file) {
			file = u.Home + "/" + file
		}
		if file = path.Clean(file); !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	return files
}

// isKeyFile reports by its name whether a file holds only authorized keys.
func isKeyFile(name string) bool {
	return slices.ContainsFunc(defaultKeyFiles, func(k string) bool { return strings.HasSuffix(name, "/"+k) })
}

// addMissingKeyFiles lists the files of keys that a login other than root may not
// look for: those of all users but its own.
func (p *parser) addMissingKeyFiles() {
	if p.host.AsRoot() {
		return
	}
	for _, u := range p.host.Users {
		for _, name := range p.keyFilesOf(u) {
			if _, ok := p.contents[name]; !ok && u.Name != p.host.As {
				p.addMissing(inventory.Missing{What: name, Reason: inventory.Denied, Detail: "only root may see whether it is there"})
			}
		}
	}
}

// authorizedKeys reads the keys that users may log in with; see sshd(8).
func (p *parser) authorizedKeys() {
	for _, u := range p.host.Users {
		for _, file := range p.keyFilesOf(u) {
			for i, line := range strings.Split(p.contents[file], "\n") {
				line = strings.TrimSpace(line)
				if line == "" || strings.HasPrefix(line, "#") {
					continue
				}
				if err := p.authorizedKey(u.Name, file, i+1, line); err != nil {
					p.addMissing(inventory.Missing{What: file, Reason: inventory.Failed, Detail: fmt.Sprintf("line %d is no key", i+1)})
				}
			}
		}
	}
}

// authorizedKey reads a line. Its options and comment may hold secrets. The key is
// kept as it is: a public key is no secret.
func (p *parser) authorizedKey(user, file string, number int, line string) error {
	key, comment, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return fmt.Errorf("read key: %w", err)
	}
	comment, _ = p.redactor.Command(comment)
	var secrets []redact.Finding
	for i, option := range options {
		clean, found := p.keyOption(option)
		options[i], secrets = clean, append(secrets, found...)
	}
	if !p.isConfiguration(file) { // else storeContents lists them
		for _, s := range secrets {
			p.host.Secrets = append(p.host.Secrets, inventory.Secret{Path: inventory.Text(file), Line: number, Kind: s.Kind, Key: s.Key, Token: s.Token})
		}
	}
	p.host.AuthorizedKeys = append(p.host.AuthorizedKeys, inventory.AuthorizedKey{
		User: user, File: inventory.Text(file), Line: number, Kind: key.Type(), Fingerprint: ssh.FingerprintSHA256(key),
		Public: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), Comment: comment, Options: strings.Join(options, ","),
	})
	return nil
}

// keyOption redacts the secrets in an option, which may be a command or a
// variable. A quoted value ends at the closing quote; quotes in it are escaped.
func (p *parser) keyOption(option string) (string, []redact.Finding) {
	name, quoted, _ := strings.Cut(option, "=")
	if len(quoted) < 2 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' {
		return p.redactor.Command(option)
	}
	text := strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	variable, value, ok := strings.Cut(text, "=")
	var found []redact.Finding
	if ok && strings.EqualFold(name, "environment") {
		value, found = p.redactor.Setting(variable, value)
		text = variable + "=" + value
	} else {
		text, found = p.redactor.Command(text)
	}
	return name + `="` + strings.ReplaceAll(text, `"`, `\"`) + `"`, found
}
