package export_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/export"
	"github.com/dcmigrate/migrate/inventory/roles"
)

const (
	deployKeys = "/home/deploy/.ssh/authorized_keys"
	operator   = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAhZeg3qFM6Ky6SMTWymRpW2SPnLmXZnKKE8ksFqMPvz operator"
)

// keyVars returns the keys of a layer from Ansible's variables.
func keyVars(t *testing.T, r *export.Result, file, layer string) map[string][]string {
	t.Helper()
	var doc map[string]yaml.Node
	require.NoError(t, yaml.Unmarshal([]byte(r.Files[file]), &doc))
	var files []struct {
		Path, Owner, Group, Mode string
		Lines                    []string
	}
	n := doc[layer+"_authorized_keys"]
	require.NoError(t, n.Decode(&files))
	found := map[string][]string{}
	for _, f := range files {
		found[strings.Join([]string{f.Path, f.Owner, f.Group, f.Mode}, " ")] = f.Lines
	}
	return found
}

// A key keeps its options, with new addresses. A secret in an option must be supplied, and
// a comment with a secret is left out.
func TestExportOfKeyOptions(t *testing.T) {
	m := newSite(t)
	h := m.host("web1", "web")
	h.AuthorizedKeys = []inventory.AuthorizedKey{
		authorizedKey("deploy", deployKeys, 1, `restrict,from="192.0.2.30,192.0.2.77,192.0.2.0/24",permitopen="192.0.2.30:3306"`, "192.0.2.30"),
		authorizedKey("deploy", deployKeys, 3, `environment="API_TOKEN=`+dbToken+`",command="/bin/x {{ y }}"`, "token "+redisToken),
	}
	h.Secrets = []inventory.Secret{{Path: deployKeys, Line: 3, Kind: "token", Key: "API_TOKEN", Token: dbToken}}
	r := m.export(export.Ansible, h)
	require.Equal(t, map[string][]string{deployKeys + " deploy deploy 0600": {
		`restrict,from="10.0.0.3,192.0.2.77,192.0.2.0/24",permitopen="10.0.0.3:3306" ` + public + " 192.0.2.30",
		`environment="API_TOKEN={{ vault_authorized_keys_api_token }}",command="/bin/x {{ '{{' }} y }}" ` + public,
	}}, keyVars(t, r, "roles/web/defaults/main.yml", "web"))
	require.Contains(t, r.Rewritten, export.Rewrite{File: deployKeys, Line: 1, Old: "192.0.2.30", New: "10.0.0.3", Hosts: "web1"})
	require.Contains(t, r.Rewritten, export.Rewrite{File: deployKeys, Line: 1, Old: "192.0.2.77", Why: "no new one is known", Hosts: "web1"})
	require.Contains(t, r.Files["roles/web/tasks/main.yml"], "no_log: true")
	require.Contains(t, r.Files["roles/web/defaults/main.yml"], "web_secrets:\n  - vault_authorized_keys_api_token\n")
	for _, format := range export.Formats {
		r := m.export(format, h)
		require.Len(t, r.Secrets, 1)
		require.Equal(t, []string{deployKeys + ":3 (API_TOKEN) on web1"}, r.Secrets[0].Where)
		for name, text := range r.Files {
			require.NotContains(t, text, redisToken, name)
			if format != export.CloudInit {
				require.NotContains(t, text, dbToken, name)
			}
		}
	}
	salt := m.export(export.Salt, h)
	require.Contains(t, salt.Files["salt/web/init.sls"], "    - source: \"salt://web/templates/home/deploy/.ssh/authorized_keys.jinja\"\n    - template: jinja\n    - show_changes: false\n")
	require.Contains(t, salt.Files["salt/web/templates/home/deploy/.ssh/authorized_keys.jinja"], `API_TOKEN={{ pillar['secrets']['authorized_keys_api_token'] }}"`)
	states := highstate(t, salt, []any{"web"})
	checkStates(t, salt, states)
	for _, where := range []string{"test -L '/home/deploy/.ssh'", "test -L '/home/deploy/.ssh' || test -L '" + deployKeys + "'"} {
		links := 0
		for _, state := range states {
			links += strings.Count(fmt.Sprint(state["cmd.run"]), "onlyif:"+where+"]")
		}
		require.Equal(t, 1, links, "%s", where)
	}
}

// A key that cannot be written exactly as it was is listed with the reason, and lets no
// other key in.
func TestExportLeavesOddKeys(t *testing.T) {
	m := newSite(t)
	h := m.host("web1", "web")
	other, _, _ := strings.Cut(operator, " operator")
	h.Users = append(h.Users, inventory.Account{Name: "odd name", UID: 1600, GID: 1500, Home: "/home/odd"}, inventory.Account{Name: "lost", UID: 1601, GID: 4711, Home: "/home/lost:"})
	with := func(line int, change func(k *inventory.AuthorizedKey)) inventory.AuthorizedKey {
		k := authorizedKey("deploy", deployKeys, line, "", "")
		change(&k)
		return k
	}
	for why, k := range map[string]inventory.AuthorizedKey{
		"of an older capture":    with(1, func(k *inventory.AuthorizedKey) { k.Public = "" }),
		"another key":            with(2, func(k *inventory.AuthorizedKey) { k.Public = other }),
		"two keys":               with(3, func(k *inventory.AuthorizedKey) { k.Public += "\n" + other }),
		"another as options":     with(4, func(k *inventory.AuthorizedKey) { k.Options = "restrict " + other }),
		"half an option":         with(5, func(k *inventory.AuthorizedKey) { k.Options = `from="10.0.0.5` }),
		"a secret in its place":  with(6, func(k *inventory.AuthorizedKey) { k.Public = dbToken }),
		"a comment":              with(7, func(k *inventory.AuthorizedKey) { k.Public += " x" }),
		"a path that leads away": with(8, func(k *inventory.AuthorizedKey) { k.File = "/home/deploy/../root/.ssh/authorized_keys" }),
		"nobody's":               with(9, func(k *inventory.AuthorizedKey) { k.User = "nobody-here" }),
		"of no account's name":   with(10, func(k *inventory.AuthorizedKey) { k.User = "odd name" }),
	} {
		h.AuthorizedKeys = []inventory.AuthorizedKey{k}
		for _, format := range export.Formats {
			r := m.export(format, h)
			found := false
			for _, l := range r.NotExported {
				found = found || strings.HasPrefix(l.What, "authorized key "+k.Fingerprint)
			}
			require.True(t, found, why)
			for name, text := range r.Files {
				require.NotContains(t, text, "AAAAC3", "%s: %s", why, name)
			}
		}
	}
}

// Keys outside of their account's .ssh, in a .ssh of two accounts, and of accounts that are
// not exported are listed, as folders must not change their owners.
func TestExportLeavesKeysInPlacesOfOthers(t *testing.T) {
	m := newSite(t)
	h := m.host("web1", "web")
	h.Packages = append(h.Packages, inventory.Package{Name: "git", Version: "1", Architecture: "amd64", Manual: true})
	h.Users = append(h.Users, inventory.Account{Name: "toor", Home: "/root"}, inventory.Account{Name: "other", UID: 1600, GID: 1500, Home: "/home/deploy"},
		inventory.Account{Name: "git", UID: 998, GID: 1500, Home: "/home/git", Shell: "/bin/bash"}, inventory.Account{Name: "slash", UID: 1601, GID: 1500, Home: "/"})
	h.AuthorizedKeys = []inventory.AuthorizedKey{
		authorizedKey("deploy", "/srv/keys/deploy", 1, "", ""), authorizedKey("deploy", deployKeys, 1, "", ""), authorizedKey("other", deployKeys, 1, "", ""), authorizedKey("deploy", "/etc/ssh/keys/deploy", 1, "", ""),
		authorizedKey("deploy", "/home/deploy/keys", 1, "", ""), authorizedKey("git", "/home/git/.ssh/authorized_keys", 1, "", ""), authorizedKey("slash", "/.ssh/authorized_keys", 1, "", ""),
	}
	h.Configuration = append(h.Configuration, m.file("/etc/ssh/keys/deploy", public+"\n"))
	r := m.export(export.Ansible, h)
	require.Empty(t, keyVars(t, r, "roles/web/defaults/main.yml", "web"))
	require.NotContains(t, r.Files["roles/web/defaults/main.yml"], "/srv/keys")
	require.Equal(t, public+"\n", r.Files["roles/web/files/etc/ssh/keys/deploy"])
	left := 0
	for _, l := range r.NotExported {
		if strings.HasPrefix(l.What, "authorized key ") {
			left += strings.Count(l.What, "authorized key ")
		}
	}
	require.GreaterOrEqual(t, left, 4, "%v", r.NotExported)
}

// sshd uses the first line of a key: a line that restricts it must not move behind one that
// does not, which other hosts have, too.
func TestExportKeepsTheOrderOfRights(t *testing.T) {
	m := newSite(t)
	web1, web2 := m.host("web1", "web"), m.host("web2", "web")
	web1.AuthorizedKeys = []inventory.AuthorizedKey{authorizedKey("deploy", deployKeys, 1, "restrict", ""), authorizedKey("deploy", deployKeys, 2, "", "")}
	web2.AuthorizedKeys = []inventory.AuthorizedKey{authorizedKey("deploy", deployKeys, 1, "", "")}
	r := m.export(export.Ansible, web1, web2)
	require.NotContains(t, r.Files["host_vars/web1.yml"], public)
	require.NotContains(t, r.Files["roles/web/defaults/main.yml"], public)
	require.Contains(t, r.Files["host_vars/web2.yml"], public)
}

// localHost returns a host whose root is this machine's, with a folder of the test as its
// home. That has a file of keys with the operator's key, without a newline at its end.
func localHost(t *testing.T) (h *inventory.Host, file string) {
	t.Helper()
	home := t.TempDir()
	file = filepath.Join(home, ".ssh", "authorized_keys")
	require.NoError(t, os.Mkdir(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(operator), 0o600))
	return &inventory.Host{
		Version: inventory.Version, Name: "web1", Roles: []string{"web"}, OS: inventory.OS{ID: "debian"},
		Users: []inventory.Account{{Name: "root", Home: home}}, Groups: []inventory.Group{{Name: "root"}},
		AuthorizedKeys: []inventory.AuthorizedKey{
			authorizedKey("root", file, 1, `restrict,command="echo \"{{ a }}\""`, pipeLookup(home)), authorizedKey("root", file, 2, `environment="T=`+dbToken+`"`, ""),
		},
	}, file
}

// exportedLines returns the lines of a file of keys without comments.
func exportedLines(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var all []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			all = append(all, strings.TrimSuffix(line, "\n"))
		}
	}
	return all
}

const keySecret = `s{{ x }}`

// Ansible itself adds keys and keeps the operator's.
func TestAnsibleAddsKeys(t *testing.T) {
	m := newSite(t)
	h, file := localHost(t)
	r, err := export.Export([]roles.Role{{Name: "web", Hosts: []*inventory.Host{h}}}, export.Options{Format: export.Ansible, Objects: m.objects})
	require.NoError(t, err)
	dir := write(t, r)
	vault := fmt.Sprintf("vault_%s: !unsafe %q\nansible_connection: local\nansible_become: false\nansible_python_interpreter: /usr/bin/python3\n", r.Secrets[0].Name, keySecret)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "group_vars/all/vault.yml"), []byte(vault), 0o600))
	require.NotContains(t, playbook(t, dir, "", "--diff", "-vvv"), keySecret)
	want := []string{operator, `restrict,command="echo \"{{ a }}\"" ` + public + " " + pipeLookup(h.Users[0].Home), `environment="T=` + keySecret + `" ` + public}
	require.Equal(t, want, exportedLines(t, file))
	require.NoFileExists(t, h.Users[0].Home+"/ran")
	require.Regexp(t, `changed=0 `, playbook(t, dir, ""))
	require.Equal(t, want, exportedLines(t, file))

	// at a later run, links of a user do not choose where root writes
	other := filepath.Join(t.TempDir(), "of-root")
	require.NoError(t, os.Rename(file, other))
	require.NoError(t, os.Symlink(other, file))
	require.NoError(t, os.WriteFile(other, []byte("kept\n"), 0o644))
	require.Contains(t, playbookFails(t, dir), file+" is a link")
	require.NoError(t, os.Rename(filepath.Dir(file), filepath.Dir(file)+"-moved"))
	require.NoError(t, os.Symlink(filepath.Dir(other), filepath.Dir(file)))
	require.NoError(t, os.Chmod(filepath.Dir(other), 0o755))
	require.Contains(t, playbookFails(t, dir), filepath.Dir(file)+" already exists as a link")
	require.NoError(t, os.Rename(other, filepath.Dir(other)+"/authorized_keys"))
	other = filepath.Dir(other) + "/authorized_keys"
	require.Contains(t, playbookFails(t, dir, "--start-at-task", "Look where authorized keys go"), filepath.Dir(file)+" is a link")
	info, err := os.Stat(filepath.Dir(other))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), info.Mode().Perm())
	require.Equal(t, []string{"kept"}, exportedLines(t, other))
}

// The commands of a user-data add keys and keep the operator's, also at a second run.
func TestCloudInitAddsKeys(t *testing.T) {
	m := newSite(t)
	h, file := localHost(t)
	h.AuthorizedKeys = h.AuthorizedKeys[:1]
	var doc struct {
		Run []any `yaml:"runcmd"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(m.export(export.CloudInit, h).Files["web.yaml"]), &doc))
	want := []string{operator, `restrict,command="echo \"{{ a }}\"" ` + public + " " + pipeLookup(h.Users[0].Home)}
	for range 2 {
		for _, c := range doc.Run {
			words, ok := c.([]any)
			if !ok || words[0] == "systemctl" {
				continue
			}
			var args []string
			for _, w := range words[1:] {
				args = append(args, text(t, w))
			}
			out, err := exec.CommandContext(t.Context(), text(t, words[0]), args...).CombinedOutput() //nolint:gosec // the export's own words
			require.NoError(t, err, "%s", out)
		}
		require.Equal(t, want, exportedLines(t, file))
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
	}
}
