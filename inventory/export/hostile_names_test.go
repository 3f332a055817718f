package export_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/export"
	"github.com/dcmigrate/migrate/inventory/roles"
)

// troublingTexts are contents with a meaning in templates or YAML; @ is a secret.
var troublingTexts = []string{
	"a {{ b }} {% c %} {# d #} @\n", "{@}", "{{@}}", "{%@%}\n", "{{{@}}}\r\n", "one\rtwo\r\n@\n\n\n", "{\r@", "{% raw %}@{% endraw %}\n", "#jinja2: lstrip_blocks: True\n@\n",
	"'@' \"@\" \\ \\n\n", "\n\n  @ \n", "@", "tab\t@\t\n", "ünïcode → @ \u2028 \u0085 \ufeff\n", "- @: [x, {y}]\n--- \n...\n%YAML\n", "# @\n#cloud-config\n", "{{ '@' }}{{ \"@\" }}{{", "\x01\x02\x7f@\x1b[0m\n",
}

// strangeNames are the last parts of paths.
var strangeNames = []string{
	"new\nline", "{{ name }}", "{% name %}", " lead and trail ", "-dash", "quote'\"`$(id)", "a: b # c", "ünïcode→", "\x01\x7f\t", "%41%0A", "[x]*?", "back\\slash", "!unsafe", "~", "@", "<b>&amp;</b>", "null",
}

// hostile returns files with strange names and troubling contents, one in three without
// a secret.
func (m siteBuilder) hostile() []inventory.File {
	var all []inventory.File
	for i, name := range strangeNames {
		secret := redisToken
		if i%3 == 0 {
			secret = "x"
		}
		all = append(all, m.file("/etc/strange/"+name, strings.ReplaceAll(troublingTexts[i%len(troublingTexts)], "@", secret)))
	}
	return all
}

// Ansible itself writes files with strange names and troubling contents unchanged. It
// runs on this machine, below a folder of the test.
func TestAnsibleKeepsStrangeFiles(t *testing.T) {
	m := newSite(t)
	root := t.TempDir()
	const secret = `p"w'{{ x }}{% y %}`
	want, links := map[string]string{}, 4 // links to the first few: each takes Ansible a second
	h := &inventory.Host{Version: inventory.Version, Name: "web1", Roles: []string{"web"}, OS: inventory.OS{ID: "debian"}}
	for i, f := range m.hostile() {
		f.Path = inventory.Text(root) + f.Path
		f.Owner, f.Group, f.Mode = pipeLookup(root), pipeLookup(root), "0640"
		f.UID, f.GID = os.Getuid(), os.Getgid()
		text, err := m.objects.Get(f.Content)
		require.NoError(t, err)
		want[string(f.Path)] = strings.ReplaceAll(string(text), redisToken, secret)
		if h.Configuration = append(h.Configuration, f); i < links {
			h.Configuration = append(h.Configuration, inventory.File{Path: f.Path + ".link", Kind: "link", Target: f.Path})
		}
	}
	r, err := export.Export([]roles.Role{{Name: "web", Hosts: []*inventory.Host{h}}}, export.Options{Format: export.Ansible, Objects: m.objects})
	require.NoError(t, err)
	dir := write(t, r)
	require.Len(t, r.Secrets, 1)
	vault := fmt.Sprintf("vault_%s: !unsafe %q\nansible_connection: local\nansible_become: false\nansible_python_interpreter: /usr/bin/python3\n", r.Secrets[0].Name, secret)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "group_vars/all/vault.yml"), []byte(vault), 0o600))
	playbook(t, dir, "")
	for name, text := range want {
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, text, string(got), "%q", name)
	}
	for _, name := range strangeNames[:links] {
		target, err := os.Readlink(root + "/etc/strange/" + name + ".link")
		require.NoError(t, err)
		require.Equal(t, root+"/etc/strange/"+name, target)
	}
	require.Regexp(t, `changed=0 `, playbook(t, dir, ""))
	require.NoFileExists(t, root+"/ran", "names of owners are no code")
}

// pipeLookup returns a name for which Ansible would run a command on this machine.
func pipeLookup(root string) string { return "{{lookup('pipe','touch " + root + "/ran')}}" }

// Ansible reads no text from a host as a variable, whichever field has it.
func TestExportTreatsNamesAsText(t *testing.T) {
	m := newSite(t)
	bad := pipeLookup("")
	h := m.web("web1")
	h.Packages = append(h.Packages, inventory.Package{Name: bad, Version: "1", Manual: true}, inventory.Package{Name: "tidy", Version: bad, Architecture: "amd64", Manual: true, Held: true},
		inventory.Package{Name: "tree", Version: "1", Architecture: bad, Manual: true})
	h.Services = append(h.Services, inventory.Service{Unit: bad + ".service", Enabled: "enabled", Active: "active"})
	h.Timers = append(h.Timers, inventory.Timer{Unit: bad + ".timer", Enabled: "enabled", Active: "active"})
	h.Users = append(h.Users, inventory.Account{Name: bad, UID: 1700, GID: 1500}, inventory.Account{Name: "odd", UID: 1701, GID: 1701, Home: bad, Shell: bad, Gecos: "{{ 1 }}"},
		inventory.Account{Name: "plain", UID: 1702, GID: 1500, Home: bad, Shell: bad, Gecos: "{{ 1 }}"})
	h.Groups = append(h.Groups, inventory.Group{Name: bad, GID: 1701, Members: []string{"deploy"}}, inventory.Group{Name: "also", GID: 1703, Members: []string{bad}})
	h.Time.Zone = "Europe/" + bad
	h.Network.Hosts = append(h.Network.Hosts, inventory.HostsLine{Line: 4, Address: bad, Names: []string{"x"}}, inventory.HostsLine{Line: 5, Address: "192.0.2.9", Names: []string{bad}})
	file := m.owned(m.file("/etc/"+bad, "text\n"), bad, bad, bad, "")
	file.UID, file.GID = 1700, 1701
	h.Configuration = append(h.Configuration, file, inventory.File{Path: "/srv/odd", Kind: "folder", Mode: bad, Owner: bad, Group: bad, UID: 1700, GID: 1701},
		inventory.File{Path: "/etc/odd", Kind: "link", Target: inventory.Text(bad), Owner: bad, Group: bad}, inventory.File{Path: inventory.Text("/etc/gone" + bad), Kind: "removed"})
	r := m.export(export.Ansible, h, m.host("db1", "db"))
	for name, text := range r.Files {
		if !strings.HasSuffix(name, ".yml") || strings.HasSuffix(name, "/tasks/main.yml") || name == "site.yml" {
			continue // plain files, and tasks, which hold no text from hosts
		}
		var doc yaml.Node
		require.NoError(t, yaml.Unmarshal([]byte(text), &doc), name)
		requireUnsafe(t, name, &doc)
	}
	require.Contains(t, r.Files["roles/web/defaults/main.yml"], `owner: "1700", group: "1701"`)
	for _, l := range r.NotExported {
		require.NotEqual(t, "user plain", l.What)
	}
}

// requireUnsafe requires that each text with Jinja syntax is marked as unsafe.
func requireUnsafe(t *testing.T, name string, n *yaml.Node) {
	t.Helper()
	if strings.Contains(n.Value, "{{") || strings.Contains(n.Value, "{%") {
		require.Equal(t, "!unsafe", n.Tag, "%s: %s", name, n.Value)
	}
	for _, inner := range n.Content {
		requireUnsafe(t, name, inner)
	}
}

// The playbook stops before it changes anything when a secret is missing.
func TestAnsibleAsksForSecretsFirst(t *testing.T) {
	m := newSite(t)
	root := t.TempDir()
	h := &inventory.Host{Version: inventory.Version, Name: "web1", OS: inventory.OS{ID: "debian"}, Configuration: []inventory.File{
		m.file(root+"/plain", "text\n"), m.file(root+"/secret", "password="+dbToken+"\n"),
	}}
	r, err := export.Export([]roles.Role{{Name: "web", Hosts: []*inventory.Host{h}}}, export.Options{Format: export.Ansible, Objects: m.objects})
	require.NoError(t, err)
	out := playbookFails(t, write(t, r), "-e", "ansible_connection=local", "-e", "ansible_become=false", "-e", "ansible_python_interpreter=/usr/bin/python3")
	require.Contains(t, out, "vault_secret_secret is missing: group_vars/all/vault.example.yml says what it is")
	require.NoFileExists(t, root+"/plain")
}

// User-data has files with strange names unchanged, and commands as lists of words, not as
// text for a shell.
func TestCloudInitKeepsStrangeFiles(t *testing.T) {
	m := newSite(t)
	hosts := m.hosts()[:1]
	hosts[0].Configuration = append(hosts[0].Configuration, m.hostile()...)
	r := m.export(export.CloudInit, hosts...)
	var doc struct {
		Files []struct {
			Path, Content, Encoding string
		} `yaml:"write_files"`
		Run []any `yaml:"runcmd"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(r.Files["web.yaml"]), &doc))
	got := map[string]string{}
	for _, f := range doc.Files {
		require.NotContains(t, got, f.Path)
		got[f.Path] = f.Content
		if f.Encoding != "" {
			_, err := base64.StdEncoding.DecodeString(f.Content)
			require.NoError(t, err)
		}
	}
	for _, f := range m.hostile() {
		text, err := m.objects.Get(f.Content)
		require.NoError(t, err)
		require.Equal(t, string(text), got[string(f.Path)], "%q", f.Path)
	}
	require.Equal(t, "set -e", doc.Run[0])
	for _, c := range doc.Run[1:] {
		require.IsType(t, []any{}, c)
	}
}
