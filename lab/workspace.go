package lab

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/dcmigrate/migrate/lab/machine"
)

// writeKey writes a new SSH key of the operator into the workspace and returns its
// line for authorized_keys.
func (l *Lab) writeKey() (string, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make ssh key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, "lab operator")
	if err != nil {
		return "", fmt.Errorf("encode ssh key: %w", err)
	}
	pub, err := ssh.NewPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("encode ssh key: %w", err)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub))) + " operator@lab"
	if err := os.WriteFile(l.path("id_ed25519"), pem.EncodeToMemory(block), 0o600); err != nil {
		return "", fmt.Errorf("write ssh key: %w", err)
	}
	if err := os.WriteFile(l.path("id_ed25519.pub"), []byte(line+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write ssh key: %w", err)
	}
	return line, nil
}

// writeKnownHosts writes the old hosts' keys, which an operator knows already.
func (l *Lab) writeKnownHosts() error {
	var b strings.Builder
	for addr, h := range map[string]*machine.Host{WebAddress: l.Web, DBAddress: l.DB} {
		keys, err := h.HostKeys()
		if err != nil {
			return err
		}
		for _, k := range keys {
			b.WriteString(knownhosts.Line([]string{addr}, k) + "\n")
		}
	}
	if err := os.WriteFile(l.path("known_hosts"), []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("write known_hosts: %w", err)
	}
	return nil
}

func (l *Lab) path(name string) string { return filepath.Join(l.options.Dir, name) }

// Environ is the environment for the operator's commands: the vendors' tokens.
func (l *Lab) Environ() []string { return append(os.Environ(), l.tokenVariables()...) }

func (l *Lab) tokenVariables() []string {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(l.tokens)) {
		env = append(env, name+"="+l.tokens[name].Open())
	}
	return env
}

// WriteEnviron writes the environment as a shell script for the operator's
// terminal, readable by the operator only, and returns its path.
func (l *Lab) WriteEnviron() (string, error) {
	var b strings.Builder
	for _, v := range l.tokenVariables() {
		b.WriteString("export " + v + "\n")
	}
	path := l.path("env.sh")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return "", fmt.Errorf("write environment: %w", err)
	}
	return path, nil
}

// Secrets returns the values that must not appear in any output or file of migrate
// (I7): the vendors' tokens and the application's password.
func (l *Lab) Secrets() []string {
	out := []string{l.password.Open()}
	for _, token := range l.tokens {
		out = append(out, token.Open())
	}
	return out
}

// Edit is one change that the operator makes to the file of `migrate init`.
type Edit struct{ Old, New string }

// Edits returns the changes that adapt the file of `migrate init` to this lab.
func (l *Lab) Edits() []Edit {
	return []Edit{
		{"identity_file: ~/.ssh/id_ed25519", "identity_file: id_ed25519"},
		{"known_hosts: ~/.ssh/known_hosts", "known_hosts: known_hosts"},
		{"      - /etc/systemd/system/blog.service\n", "      - /etc/systemd/system/blog.service\n      - /etc/nginx/sites-available/default\n"},
		{"services: [blog.service]", "services: [blog.service, nginx.service]"},
		{"endpoint: https://api.digitalocean.com/", "endpoint: " + l.doEndpoint},
		{"endpoint: https://api.cloudflare.com/client/v4/", "endpoint: " + l.cfEndpoint},
		{`resolver: ""`, "resolver: " + dnsListen},
		{"exclude: []", "exclude: [db.blog.test]"},
		{"stragglers: 10s", "stragglers: 3s"},
	}
}

// Apply makes the edits in the file at path. The file must contain the old text of
// each.
func Apply(path string, edits []Edit) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("edit: %w", err)
	}
	text := string(data)
	for _, e := range edits {
		if !strings.Contains(text, e.Old) {
			return fmt.Errorf("edit %s: %q is not in it", path, e.Old)
		}
		text = strings.Replace(text, e.Old, e.New, 1)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("edit: %w", err)
	}
	return nil
}
