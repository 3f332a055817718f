package capture

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/remote/remotetest"
)

// ansibleFacts returns the facts that a module of Ansible gathers on this host.
func ansibleFacts(t *testing.T, module string) map[string]any {
	t.Helper()
	cmd := exec.Command("ansible", "localhost", "-c", "local", "-e", "ansible_python_interpreter=/usr/bin/python3", "-m", module)
	cmd.Env = append(cmd.Environ(), "ANSIBLE_LOAD_CALLBACK_PLUGINS=1", "ANSIBLE_STDOUT_CALLBACK=oneline", "ANSIBLE_NOCOLOR=1", "ANSIBLE_LOCALHOST_WARNING=False", "LC_ALL=C.UTF-8")
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	_, text, ok := strings.Cut(string(out), "=> ")
	require.True(t, ok, "%.200s", out)
	var answer struct {
		Facts map[string]any `json:"ansible_facts"`
	}
	require.NoError(t, json.Unmarshal([]byte(text), &answer), "%.200s", text)
	require.NotEmpty(t, answer.Facts)
	return answer.Facts
}

// The capture and Ansible agree on the facts that both gather.
func TestCaptureAgreesWithAnsible(t *testing.T) {
	_, err := exec.LookPath("ansible")
	remotetest.Need(t, err == nil, "the Debian package ansible-core")
	h := captureOne(t, Target{Host: remote.NewLocal("here"), onlySections: append([]string{"hostname", "addresses", "mounts", "manual", "unit-files"}, basicSections...)})
	f := ansibleFacts(t, "ansible.builtin.setup")
	text := func(name string) string {
		s, ok := f["ansible_"+name].(string)
		require.True(t, ok, name)
		return s
	}
	number := func(name string) float64 {
		n, ok := f["ansible_"+name].(float64)
		require.True(t, ok, name)
		return n
	}
	require.Equal(t, strings.ToLower(text("distribution")), h.OS.ID)
	require.Equal(t, text("distribution_release"), h.OS.Codename)
	require.Equal(t, text("distribution_major_version"), h.OS.Release)
	require.Equal(t, text("kernel"), h.OS.Kernel)
	require.Equal(t, text("architecture"), h.OS.Architecture)
	require.Equal(t, text("hostname"), strings.Split(h.Network.Hostname, ".")[0])
	require.InDelta(t, number("processor_vcpus"), h.CPU.Count, 0)
	require.Equal(t, int64(number("memtotal_mb")), h.Memory.Total>>20)
	require.Equal(t, int64(number("swaptotal_mb")), h.Memory.Swap>>20)

	list := func(name string) []any {
		all, ok := f["ansible_"+name].([]any)
		require.True(t, ok, name)
		return all
	}
	var ours []string
	for _, i := range h.Network.Interfaces {
		for _, a := range i.Addresses {
			address, _, _ := strings.Cut(a, "/")
			ours = append(ours, address)
		}
	}
	if own, ok := f["ansible_default_ipv4"].(map[string]any); ok && own["address"] != nil {
		require.Contains(t, ours, own["address"])
	}
	require.NotEmpty(t, list("interfaces"))
	for _, m := range list("mounts") {
		mount, ok := m.(map[string]any)
		require.True(t, ok)
		where, _ := mount["mount"].(string)
		fs, _ := mount["fstype"].(string)
		if d := find(h.Disks, func(d inventory.Disk) bool { return d.Mount == where }); d != nil {
			require.Equal(t, fs, d.FS)
			size, _ := mount["size_total"].(float64)
			require.InDelta(t, size, d.Size, 4096)
		}
	}

	packages, ok := ansibleFacts(t, "ansible.builtin.package_facts")["packages"].(map[string]any)
	require.True(t, ok)
	var theirs, mine []string
	for name, versions := range packages {
		all, ok := versions.([]any)
		require.True(t, ok)
		for _, v := range all {
			p, ok := v.(map[string]any)
			require.True(t, ok)
			version, _ := p["version"].(string)
			theirs = append(theirs, name+" "+version)
		}
	}
	for _, p := range h.Packages {
		mine = append(mine, p.Name+" "+p.Version)
	}
	slices.Sort(theirs)
	slices.Sort(mine)
	require.Equal(t, slices.Compact(theirs), slices.Compact(mine))

	services, ok := ansibleFacts(t, "ansible.builtin.service_facts")["services"].(map[string]any)
	require.True(t, ok)
	for name, v := range services {
		s, ok := v.(map[string]any)
		require.True(t, ok)
		if s["source"] == "systemd" && s["status"] == "enabled" {
			require.NotNil(t, find(h.Services, func(x inventory.Service) bool { return x.Unit == name && x.Enabled == "enabled" }), name)
		}
	}
}
