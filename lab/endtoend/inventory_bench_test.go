package endtoend

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/capture"
	"github.com/dcmigrate/migrate/inventory/redact"
	"github.com/dcmigrate/migrate/lab/machine"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/remote/remotetest"
)

// benchPrefix begins the names of the hosts' control groups, namespaces and interfaces.
const benchPrefix = "mlabb-"

// benchHosts is the number of hosts that the benchmark captures concurrently.
const benchHosts = 20

// inventoryBench holds booted hosts, and the files that ssh and Ansible need.
type inventoryBench struct {
	b            *testing.B
	dir          string
	identity     string
	knownHosts   string
	hosts        []*machine.Host
	ansibleHosts string // its hosts file
	playbook     string
	sshOptions   []string
}

// openInventoryBench boots hosts of the lab: Debian with systemd, sshd, and Python for
// Ansible.
func openInventoryBench(b *testing.B) *inventoryBench {
	require.NoError(b, machine.Require())
	base, err := machine.Base(b.Context(), machine.DefaultCache, func(line string) { b.Log(line) })
	require.NoError(b, err)
	c := &inventoryBench{b: b, dir: b.TempDir()}
	c.identity, c.knownHosts = filepath.Join(c.dir, "id"), filepath.Join(c.dir, "known_hosts")
	public := remotetest.NewKey(b, c.identity)
	n := machine.NewNetwork(base)
	n.Bridge, n.Prefix, n.Address = "mlabbench0", benchPrefix, netip.MustParsePrefix("10.216.0.1/16")
	require.NoError(b, n.Open(b.Context()))
	b.Cleanup(func() { require.NoError(b, n.Close(context.Background())) })

	c.hosts = make([]*machine.Host, benchHosts)
	var group errgroup.Group
	group.SetLimit(2)
	for i := range c.hosts {
		group.Go(func() (err error) {
			c.hosts[i], err = n.Boot(b.Context(), machine.Spec{
				Name: fmt.Sprintf("bench%02d", i+1), Layer: machine.Droplet, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 216, 1, byte(i + 1)})},
				AuthorizedKeys: []string{string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(public)))},
			})
			return err
		})
	}
	require.NoError(b, group.Wait())
	c.writeFiles()
	c.waitForBoot()
	return c
}

// writeFiles writes what ssh and Ansible read.
func (c *inventoryBench) writeFiles() {
	var known, list strings.Builder
	for _, h := range c.hosts {
		keys, err := h.HostKeys()
		require.NoError(c.b, err)
		for _, k := range keys {
			fmt.Fprintln(&known, knownhosts.Line([]string{h.Address().String()}, k))
		}
		fmt.Fprintf(&list, "%s ansible_host=%s\n", h.Name(), h.Address())
	}
	c.ansibleHosts, c.playbook = filepath.Join(c.dir, "hosts.ini"), filepath.Join(c.dir, "facts.yml")
	for file, text := range map[string]string{
		c.knownHosts:   known.String(),
		c.ansibleHosts: list.String(),
		c.playbook:     "- hosts: all\n  gather_facts: true\n  tasks:\n  - package_facts:\n  - service_facts:\n",
	} {
		require.NoError(c.b, os.WriteFile(file, []byte(text), 0o600))
	}
	c.sshOptions = []string{"-o", "BatchMode=yes", "-o", "UserKnownHostsFile=" + c.knownHosts, "-o", "StrictHostKeyChecking=yes", "-i", c.identity}
}

// waitForBoot waits until the hosts have finished booting.
func (c *inventoryBench) waitForBoot() {
	for _, h := range c.hosts {
		require.NoError(c.b, h.Exec(c.b.Context(), "systemctl is-system-running --wait >/dev/null; true", nil, nil))
	}
}

// capture takes the inventory of all hosts concurrently, over new connections.
func (c *inventoryBench) capture() {
	var targets []capture.Target
	for _, h := range c.hosts {
		host := remote.NewSSH(remote.SSHConfig{
			Name: h.Name(), Address: func(context.Context) (string, error) { return h.Address().String(), nil },
			IdentityFile: c.identity, KnownHosts: []string{c.knownHosts}, ConnectTimeout: time.Minute,
		})
		defer host.Close() //nolint:errcheck // of the bench
		targets = append(targets, capture.Target{Host: host})
	}
	options := capture.Options{AtOnce: benchHosts, Redactor: redact.New(make([]byte, redact.KeySize)), Objects: inventory.NewObjects(c.b.TempDir())}
	for _, r := range capture.Hosts(c.b.Context(), targets, options) {
		require.NoError(c.b, r.Err)
		require.Greater(c.b, len(r.Host.Packages), 100)
		require.NotEmpty(c.b, r.Host.Services)
		require.NotEmpty(c.b, r.Host.Listeners)
	}
}

// sshCommands runs one ssh for each host, with the four commands that any inventory needs.
func (c *inventoryBench) sshCommands() {
	var group errgroup.Group
	for _, h := range c.hosts {
		group.Go(func() error {
			cmd := exec.CommandContext(c.b.Context(), "ssh", append(slices.Clone(c.sshOptions), "root@"+h.Address().String(), //nolint:gosec // of the bench
				"dpkg-query -W; systemctl list-unit-files --no-pager; ss -H -l -n -t -u -p; nft list ruleset")...)
			cmd.Stdout = io.Discard
			return cmd.Run()
		})
	}
	require.NoError(c.b, group.Wait())
}

// ansiblePlaybook runs Ansible's three modules on all hosts concurrently, in one play.
func (c *inventoryBench) ansiblePlaybook(pipelining bool) {
	c.runAnsible(pipelining, "ansible-playbook", c.playbook)
}

// ansibleModules runs the same modules by three commands: ansible -m setup, and so on.
func (c *inventoryBench) ansibleModules() {
	for _, module := range []string{"setup", "package_facts", "service_facts"} {
		c.runAnsible(false, "ansible", "all", "-m", module)
	}
}

func (c *inventoryBench) runAnsible(pipelining bool, program string, args ...string) {
	limit := "all"
	if len(c.hosts) == 1 {
		limit = c.hosts[0].Name()
	}
	args = append(args, "-f", fmt.Sprint(benchHosts), "-l", limit, "-i", c.ansibleHosts, "-u", "root")
	cmd := exec.CommandContext(c.b.Context(), program, args...) //nolint:gosec // of the bench
	cmd.Env = append(os.Environ(), "ANSIBLE_LOCAL_TEMP="+c.dir, "ANSIBLE_SSH_CONTROL_PATH_DIR="+c.dir, "ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3",
		"ANSIBLE_SSH_EXTRA_ARGS="+strings.Join(c.sshOptions, " "), "LC_ALL=C.UTF-8", fmt.Sprintf("ANSIBLE_PIPELINING=%t", pipelining),
		"ANSIBLE_SSH_ARGS=-C -o ControlMaster=auto -o ControlPersist=60s")
	out, err := cmd.CombinedOutput()
	require.NoError(c.b, err, "%s", out)
}

// cost is the duration of a measurement and the processor time that all hosts, this
// process and its children spent on it. Processor time depends less on the machine's
// load.
type cost struct{ wall, processor time.Duration }

func (c *inventoryBench) measure(f func()) cost {
	before, begin := c.processorTime(), time.Now()
	f()
	return cost{time.Since(begin), c.processorTime() - before}
}

func (c *inventoryBench) processorTime() time.Duration {
	sum := time.Duration(0)
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var usage syscall.Rusage
		require.NoError(c.b, syscall.Getrusage(who, &usage))
		sum += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	for _, h := range c.hosts {
		text, err := os.ReadFile("/sys/fs/cgroup/" + benchPrefix + h.Name() + "/cpu.stat")
		if err != nil { // a hybrid machine has the unified hierarchy beside others
			text, err = os.ReadFile("/sys/fs/cgroup/unified/" + benchPrefix + h.Name() + "/cpu.stat")
		}
		require.NoError(c.b, err)
		var microseconds int64
		_, err = fmt.Sscanf(string(text), "usage_usec %d", &microseconds)
		require.NoError(c.b, err, "%s", text)
		sum += time.Duration(microseconds) * time.Microsecond
	}
	return sum
}

// BenchmarkInventory captures 20 booted hosts concurrently, alternating with Ansible's
// facts of the same hosts and with four commands over ssh. The figures are medians.
func BenchmarkInventory(b *testing.B) {
	for _, program := range []string{"ansible-playbook", "ssh"} {
		_, err := exec.LookPath(program)
		remotetest.Need(b, err == nil, program)
	}
	c := openInventoryBench(b)
	methods := []struct {
		name string
		run  func()
	}{
		{"capture", c.capture},
		{"commands", c.sshCommands},
		{"ansible", func() { c.ansiblePlaybook(false) }},
		{"ansible-pipelining", func() { c.ansiblePlaybook(true) }},
		{"ansible-adhoc", c.ansibleModules},
	}
	c.sshCommands() // into the page cache
	c.capture()
	hosts := c.hosts
	ofAllHosts, ofOneHost := map[string][]cost{}, map[string][]cost{}
	for b.Loop() {
		for _, method := range methods {
			c.hosts = hosts
			ofAllHosts[method.name] = append(ofAllHosts[method.name], c.measure(method.run))
			c.hosts = hosts[:1] // a single host does not share its processor
			ofOneHost[method.name] = append(ofOneHost[method.name], c.measure(method.run))
		}
	}
	wall := func(s cost) time.Duration { return s.wall }
	for _, method := range methods {
		b.ReportMetric(medianSeconds(ofAllHosts[method.name], wall), method.name+"-s")
		b.ReportMetric(medianSeconds(ofAllHosts[method.name], func(s cost) time.Duration { return s.processor }), method.name+"-processor-s")
		b.ReportMetric(medianSeconds(ofOneHost[method.name], wall), "one-"+method.name+"-s")
	}
}

func medianSeconds(list []cost, duration func(cost) time.Duration) float64 {
	var all []time.Duration
	for _, s := range list {
		all = append(all, duration(s))
	}
	slices.Sort(all)
	return all[len(all)/2].Seconds()
}
