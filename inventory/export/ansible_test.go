package export_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/export"
	"github.com/dcmigrate/migrate/lab/machine"
	"github.com/dcmigrate/migrate/remote/remotetest"
)

// write writes an export into a new folder and returns its path.
func write(t *testing.T, r *export.Result) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "export")
	require.NoError(t, r.Write(dir))
	return dir
}

// identity makes a key pair for the lab's hosts.
func identity(t *testing.T) (keyFile, authorized string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	keyFile = filepath.Join(t.TempDir(), "id")
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(block), 0o600))
	key, err := ssh.NewPublicKey(public)
	require.NoError(t, err)
	return keyFile, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// playbook runs ansible-playbook in an export's folder and returns what it printed.
func playbook(t *testing.T, dir, sshArgs string, args ...string) string {
	t.Helper()
	out, err := runPlaybook(t, dir, sshArgs, args...)
	require.NoError(t, err, "%s", out)
	return out
}

func playbookFails(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := runPlaybook(t, dir, "", args...)
	require.Error(t, err, "%s", out)
	return out
}

func runPlaybook(t *testing.T, dir, sshArgs string, args ...string) (string, error) {
	t.Helper()
	_, err := exec.LookPath("ansible-playbook")
	remotetest.Need(t, err == nil, "the Debian package ansible-core")
	home, err := os.MkdirTemp("", "ansible") // short, as the path of a socket is limited
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	cmd := exec.CommandContext(t.Context(), "ansible-playbook", append([]string{"site.yml"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+home, "ANSIBLE_HOME="+home, "ANSIBLE_LOCAL_TEMP="+home+"/tmp", "ANSIBLE_REMOTE_TEMP="+home+"/remote", "ANSIBLE_SSH_CONTROL_PATH_DIR="+home+"/cp",
		"ANSIBLE_SSH_ARGS="+sshArgs+" -o ControlMaster=auto -o ControlPersist=20s", "ANSIBLE_PIPELINING=1", "ANSIBLE_NOCOLOR=1", "ANSIBLE_REMOTE_USER=root", "LC_ALL=C.UTF-8")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	return out.String(), err
}

// knownHosts writes a known_hosts file for a host of the lab.
func knownHosts(t *testing.T, h labHost) string {
	t.Helper()
	keys, err := h.HostKeys()
	require.NoError(t, err)
	var text strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&text, "%s %s", h.Address(), ssh.MarshalAuthorizedKey(k))
	}
	file := filepath.Join(t.TempDir(), "known_hosts")
	require.NoError(t, os.WriteFile(file, []byte(text.String()), 0o600))
	return file
}

// capturedHost captures a prepared host of the lab. The key logs in to its accounts.
func capturedHost(t *testing.T, n *machine.Network, objects *inventory.Objects) (captured *inventory.Host, keyFile string) {
	t.Helper()
	keyFile, authorized := identity(t)
	h := bootDroplet(t, n, machine.Spec{Name: "web1", Addresses: []netip.Addr{netip.MustParseAddr("10.219.0.11")}})
	sh(t, h, preparedScript(t, authorized))
	waitBooted(t, h)
	checkLogins(t, h, keyFile)
	host := captureHost(t, h, objects)
	require.NoError(t, h.Host.Close(context.WithoutCancel(t.Context())))
	return host, keyFile
}

var recap = regexp.MustCompile(`(?m)^web1 +: ok=(\d+) +changed=(\d+) +unreachable=0 +failed=0`)

// A bare host after Ansible has the same capture as the prepared host, and a second run
// changes nothing.
func TestAnsibleMakesBareHostEqual(t *testing.T) {
	n := openLab(t)
	objects := inventory.NewObjects(filepath.Join(t.TempDir(), "objects"))
	original, usersKey := capturedHost(t, n, objects)
	keyFile, authorized := identity(t)
	bare := bootDroplet(t, n, machine.Spec{Name: "web1-new", Addresses: []netip.Addr{netip.MustParseAddr("10.219.0.12")}, AuthorizedKeys: []string{authorized}})

	result, err := export.Export(byRole(siteOf(t, original, captureHost(t, bare, objects))), export.Options{
		Format: export.Ansible, Objects: objects, Connect: map[string]string{"web1": bare.Address().String()},
	})
	require.NoError(t, err)
	for _, name := range []string{"roles/common/files/etc/apt/sources.list", "roles/web/templates/etc/redis/redis.conf.j2", "roles/host/files/web1/etc/cron.d/blog"} {
		require.Contains(t, result.Files, name, "each layer has something to do")
	}
	dir := write(t, result)
	var vault strings.Builder
	for _, s := range result.Secrets {
		fmt.Fprintf(&vault, "vault_%s: !unsafe %q\n", s.Name, secretOf(t, s.Name))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "group_vars/all/vault.yml"), []byte(vault.String()), 0o600))

	ssh := "-i " + keyFile + " -o IdentitiesOnly=yes -o UserKnownHostsFile=" + knownHosts(t, bare) + " -o StrictHostKeyChecking=yes"
	first := playbook(t, dir, ssh, "--limit", "web1")
	require.NotEmpty(t, recap.FindStringSubmatch(first), first)
	second := playbook(t, dir, ssh, "--limit", "web1")
	counts := recap.FindStringSubmatch(second)
	require.NotEmpty(t, counts, second)
	require.Equal(t, "0", counts[2], second)

	waitBooted(t, bare)
	again := captureHost(t, bare, objects)
	keys := len(again.AuthorizedKeys)
	again.AuthorizedKeys = slices.DeleteFunc(again.AuthorizedKeys, func(k inventory.AuthorizedKey) bool { return k.Public == authorized })
	require.Len(t, again.AuthorizedKeys, keys-1, "the key that lets Ansible in is still there")
	require.Equal(t, scopeLines(t, original, objects), scopeLines(t, again, objects))
	checkLogins(t, bare, usersKey)
	for name, text := range result.Files {
		for _, secret := range plantedSecrets {
			require.NotContains(t, text, secret, name)
		}
		require.NotContains(t, text, "migrate-secret-", name)
	}
}

// siteOf adds two hosts to a captured one, so that all three layers have something: a bare
// host of another role, and one of its own role that lacks a crontab and a timer.
func siteOf(t *testing.T, web1, bare *inventory.Host) []*inventory.Host {
	t.Helper()
	text, err := json.Marshal(web1)
	require.NoError(t, err)
	web2 := &inventory.Host{}
	require.NoError(t, json.Unmarshal(text, web2))
	web2.Name, bare.Name, bare.Roles = "web2", "db1", []string{"db"}
	web2.Configuration = slices.DeleteFunc(web2.Configuration, func(f inventory.File) bool {
		return f.Path == "/etc/cron.d/blog" || strings.HasPrefix(string(f.Path), "/etc/systemd/system/tidy.")
	})
	web2.Timers = slices.DeleteFunc(web2.Timers, func(x inventory.Timer) bool { return x.Unit == "tidy.timer" })
	return []*inventory.Host{web1, web2, bare}
}

// secretOf returns the planted secret for a variable.
func secretOf(t *testing.T, name string) string {
	t.Helper()
	for setting, secret := range plantedSecrets {
		if strings.HasSuffix(name, strings.ToLower(setting)) {
			return secret
		}
	}
	t.Fatalf("%s is no planted secret", name)
	return ""
}
