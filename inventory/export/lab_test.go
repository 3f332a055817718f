package export_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/capture"
	"github.com/dcmigrate/migrate/inventory/redact"
	"github.com/dcmigrate/migrate/lab/machine"
	"github.com/dcmigrate/migrate/remote/remotetest"
)

// labHost is a host of the lab on which commands run without SSH.
type labHost struct{ *machine.Host }

func (h labHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	return h.Exec(ctx, script, stdin, stdout)
}

func (h labHost) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("not needed here")
}

func (h labHost) Close() error { return nil }

// openLab opens a lab with a network of its own.
func openLab(t *testing.T) *machine.Network {
	t.Helper()
	err := machine.Require()
	remotetest.Need(t, err == nil, "a machine that can run lab hosts")
	base, err := machine.Base(t.Context(), machine.DefaultCache, func(line string) { t.Log(line) })
	require.NoError(t, err)
	n := machine.NewNetwork(base)
	n.Bridge, n.Prefix, n.Address = "mlabexport0", "mlabx-", netip.MustParsePrefix("10.219.0.1/16")
	n.Progress = func(line string) { t.Log(line) }
	require.NoError(t, n.Open(t.Context()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // the test's own has ended
		defer cancel()
		require.NoError(t, n.Close(ctx))
	})
	return n
}

// bootDroplet boots a bare host that is like a fresh droplet.
func bootDroplet(t *testing.T, n *machine.Network, s machine.Spec) labHost {
	t.Helper()
	s.Layer = machine.Droplet
	h, err := n.Boot(t.Context(), s)
	require.NoError(t, err)
	host := labHost{h}
	waitBooted(t, host)
	return host
}

// waitBooted waits until systemd has started all units of the boot.
func waitBooted(t *testing.T, h labHost) {
	t.Helper()
	require.Eventually(t, func() bool {
		var out strings.Builder
		_ = h.Exec(t.Context(), "systemctl is-system-running || true", nil, &out) // it is down for a moment
		state := strings.TrimSpace(out.String())
		return state == "running" || state == "degraded"
	}, 3*time.Minute, 500*time.Millisecond, "%s does not come up", h.Name())
}

// sh runs a script on a host and returns what it printed.
func sh(t *testing.T, h labHost, script string) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, h.Exec(t.Context(), script, nil, &out), out.String())
	return out.String()
}

// capture takes the inventory of a host, with one redaction key for all.
func captureHost(t *testing.T, h labHost, objects *inventory.Objects) *inventory.Host {
	t.Helper()
	options := capture.Options{AtOnce: 1, Redactor: redact.New(make([]byte, redact.KeySize)), Objects: objects}
	result := capture.Hosts(t.Context(), []capture.Target{{Host: h, Roles: []string{"web"}}}, options)[0]
	require.NoError(t, result.Err)
	for i := range result.Host.Packages { // the lab's image has them and its mirror does not, unlike Debian's mirrors
		if p := &result.Host.Packages[i]; p.Name == "nftables" || p.Name == "openssh-server" {
			p.Origin = ""
		}
	}
	return result.Host
}

// runAs runs a command on a host as a user, with ssh and a key.
func runAs(t *testing.T, h labHost, keyFile, user, command string) (string, error) {
	t.Helper()
	//nolint:gosec // the test's own words
	cmd := exec.CommandContext(t.Context(), "ssh", "-F", "none", "-i", keyFile, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10",
		"-o", "UserKnownHostsFile="+knownHosts(t, h), "-o", "StrictHostKeyChecking=yes", user+"@"+h.Address().String(), command)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// checkLogins requires that the key logs in to the accounts of a prepared host, and not to
// root, whose key is restricted to another address.
func checkLogins(t *testing.T, h labHost, keyFile string) {
	t.Helper()
	for user, want := range map[string]string{"deploy": "deploy", "loader": "only this", "auditor": "auditor"} {
		out, err := runAs(t, h, keyFile, user, "id -un")
		require.NoError(t, err, out)
		require.Equal(t, want, out, user)
	}
	out, err := runAs(t, h, keyFile, "root", "id -un")
	require.Error(t, err)
	require.Contains(t, out, "Permission denied")
}

// plantedSecrets are the secrets on the prepared host, by the setting that holds them.
var plantedSecrets = map[string]string{
	"requirepass":  "pl4nted-Redis-Passw0rd",
	"DB_PASSWORD":  "pl4nted}}DB{{Passw0rd%",
	"DEPLOY_TOKEN": "pl4nted-{{Key}}-Tok3n",
}

// preparedScript returns the script that makes a bare host one of the old site, with a key
// that logs in to its accounts.
func preparedScript(t *testing.T, authorized string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "prepare.sh"))
	require.NoError(t, err)
	return strings.NewReplacer("@REDIS@", plantedSecrets["requirepass"], "@DB@", plantedSecrets["DB_PASSWORD"], "@TOKEN@", plantedSecrets["DEPLOY_TOKEN"], "@KEY@", authorized).Replace(string(text))
}
