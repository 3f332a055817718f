package dosim

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/spec"
)

// These tests drive the simulator with other projects' clients.

// skipOrFail skips the test, or fails it under CI.
func skipOrFail(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// runClient runs a client and decodes the JSON object that it prints.
func runClient(t *testing.T, env []string, name string, args ...string) map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(testToken)
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), "%s", &stderr)
	seen := map[string]any{}
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &seen), "%s", &stdout)
	return seen
}

func requireLibcloud(t *testing.T) {
	t.Helper()
	found := func() bool {
		return exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", "import libcloud.compute.drivers.digitalocean").Run() == nil
	}
	if found() {
		return
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Getuid() != 0 {
		skipOrFail(t, "python3-libcloud is needed, and installing it takes root and apt-get")
	}
	cmd := exec.CommandContext(t.Context(), apt, "install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", "python3-libcloud")
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil || !found() {
		skipOrFail(t, "python3-libcloud is needed; apt-get says: %v: %s", err, out)
	}
}

func TestLibcloud(t *testing.T) {
	requireLibcloud(t)
	l := newLab(t, Options{ActionDelay: 20 * time.Millisecond, BootDelay: 50 * time.Millisecond})
	l.validator.Tolerate(
		spec.Deviation{Method: "POST", Path: "/v2/droplets", Side: spec.Request, Reason: "/user_data: Value is not nullable", Why: "libcloud sends null without user data"},
	)
	where, err := url.Parse(l.url)
	require.NoError(t, err)
	host, port, err := net.SplitHostPort(where.Host)
	require.NoError(t, err)
	seen := runClient(t, nil, "/usr/bin/python3", "testdata/drive_libcloud.py", host, port)
	require.Equal(t, map[string]any{
		"wrong_token":        "Unable to authenticate you",
		"account_limit":      25.0,
		"locations":          10.0, // sfo1 is closed
		"sizes":              10.0,
		"ram":                4096.0,
		"key":                true,
		"state_at_first":     "pending",
		"addresses_at_first": []any{},
		"public":             []any{[]any{"10.213.1.11"}, []any{"10.213.1.12"}, []any{"10.213.1.13"}},
		"private":            []any{[]any{"10.213.2.11"}, []any{"10.213.2.12"}, []any{"10.213.2.13"}},
		"paged":              []any{"node-0", "node-1", "node-2"},
		"rename":             true,
		"name":               "renamed",
		"shutdown":           true,
		"off":                "renamed",
		"power_on":           true,
		"reboot":             true,
		"events":             []any{"create", "create", "create", "power_on", "reboot", "rename", "shutdown"},
		"refused":            "Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -) (code: 422)",
		"volumes":            0.0,
		"destroyed":          []any{true, true, true},
		"left":               0.0,
		"key_deleted":        true,
	}, seen)
	require.Eventually(t, func() bool { return len(l.booter.machines()) == 0 }, 10*time.Second, time.Millisecond)
}

func TestLibcloudStorage(t *testing.T) {
	requireLibcloud(t)
	l := newLab(t, Options{ActionDelay: 20 * time.Millisecond})
	l.validator.Tolerate(
		spec.Deviation{Path: "/v2/floating_ips", Why: "the document has only their later name, reserved_ips"},
		spec.Deviation{Method: "POST", Path: "/v2/volumes", Side: spec.Request, Why: "libcloud sends null for what it does not set"},
	)
	where, err := url.Parse(l.url)
	require.NoError(t, err)
	host, port, err := net.SplitHostPort(where.Host)
	require.NoError(t, err)
	seen := runClient(t, nil, "/usr/bin/python3", "testdata/drive_libcloud.py", host, port, "storage")
	require.Equal(t, map[string]any{
		"volume":            []any{"data", 10.0, "fra1"},
		"attached":          true,
		"on":                true,
		"in_use":            "The volume cannot be deleted while it is attached to a Droplet. (code: 409)",
		"snapshots":         []any{"before"},
		"copy":              10.0,
		"snapshot_deleted":  true,
		"detached":          true,
		"volumes_destroyed": []any{true, true},
		"image":             1.0,
		"image_deleted":     true,
		"rebuild":           true,
		"resize":            true,
		"size":              "s-2vcpu-4gb",
		"ip_attached":       true,
		"ip_detached":       true,
		"ips":               1.0,
		"ip_deleted":        true,
		"destroyed":         true,
	}, seen)
}

// requireDots installs dots-wrapper into a temporary folder and returns NODE_PATH.
func requireDots(t *testing.T) string {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		skipOrFail(t, "npm is needed: %v", err)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), npm, "install", "--prefix", dir, "--no-save", "--no-fund", "--no-audit", "--ignore-scripts", "dots-wrapper@3.12.12")
	if out, err := cmd.CombinedOutput(); err != nil {
		skipOrFail(t, "npm's dots-wrapper is needed; npm says: %v: %s", err, out)
	}
	return "NODE_PATH=" + dir + "/node_modules"
}

func TestDotsWrapper(t *testing.T) {
	env := []string{requireDots(t)}
	l := newLab(t, Options{BootDelay: 50 * time.Millisecond})
	seen := runClient(t, env, "node", "testdata/drive_dots.cjs", l.url+"/v2", "make")
	web, db := int(seen["web1"].(float64)), int(seen["db1"].(float64))
	delete(seen, "web1")
	delete(seen, "db1")
	require.Equal(t, map[string]any{
		"wrongToken":    "401 Unable to authenticate you",
		"statusAtFirst": "new",
		"public":        []any{"10.213.1.11", "10.213.1.12", "10.213.1.13"},
		"tagged":        []any{1.0, 2.0, true},
		"members":       3.0,
		"vpcInUse":      "403 Can not delete VPC with members",
		"vpc":           "dots-2",
		"firewall":      []any{1.0, 1.0, "0"},
		"tagCount":      1.0,
		"tags":          []any{"db", "web"},
		"off":           "db-1",
	}, seen)
	mysql := Rules{
		Enforced: true,
		Inbound: []Rule{{
			Protocol: "tcp", FromPort: 3306, ToPort: 3306,
			Peers: prefixes("10.213.1.11/32", "10.213.1.12/32", "10.213.2.11/32", "10.213.2.12/32"),
		}},
		Outbound: []Rule{{Protocol: "tcp", ToPort: 65535, Peers: prefixes("0.0.0.0/0")}},
	}
	l.waitForRules(t, web, mysql)
	l.waitForRules(t, db, mysql)
	require.False(t, l.booter.isOn(db))

	left := runClient(t, env, "node", "testdata/drive_dots.cjs", l.url+"/v2", "clean-up")
	require.Equal(t, map[string]any{"droplets": 0.0, "vpcs": 1.0, "firewalls": 0.0}, left, "the default VPC stays")
	require.Empty(t, l.Machines())
}
