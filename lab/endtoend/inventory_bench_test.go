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
	"github.com/dcmigrate/migrate/inventory/redact"
	"github.com/dcmigrate/migrate/lab/machine"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/remote/remotetest"
)

// prefix is of the control groups and all else of the bench's hosts.
const prefix = "mlabb-"

// benchHosts is how many hosts the inventory's bench captures at once.
const benchHosts = 20

// capturing is booted hosts with sshd, and all that an ssh program needs.
type capturing struct {
	b          *testing.B
	dir        string
	identity   string
	known      string
	hosts      []*machine.Host
	ansible    string // its hosts file
	playbook   string
	sshOptions []string
}

// openCapturing boots hosts of the lab: Debian with systemd, sshd and Python,
// which Ansible needs.
func openCapturing(b *testing.B) *capturing {
	require.NoError(b, machine.Require())
	base, err := machine.Base(b.Context(), machine.DefaultCache, func(line string) { b.Log(line) })
	require.NoError(b, err)
	c := &capturing{b: b, dir: b.TempDir()}
	c.identity, c.known = filepath.Join(c.dir, "id"), filepath.Join(c.dir, "known_hosts")
	public := remotetest.NewKey(b, c.identity)
	n := machine.NewNetwork(base)
	n.Bridge, n.Prefix, n.Address = "mlabbench0", prefix, netip.MustParsePrefix("10.216.0.1/16")
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
	c.settle()
	return c
}

// writeFiles writes what ssh and Ansible read.
func (c *capturing) writeFiles() {
	var known, list strings.Builder
	for _, h := range c.hosts {
		keys, err := h.HostKeys()
		require.NoError(c.b, err)
		for _, k := range keys {
			fmt.Fprintln(&known, knownhosts.Line([]string{h.Address().String()}, k))
		}
		fmt.Fprintf(&list, "%s ansible_host=%s\n", h.Name(), h.Address())
	}
	c.ansible, c.playbook = filepath.Join(c.dir, "hosts.ini"), filepath.Join(c.dir, "facts.yml")
	for file, text := range map[string]string{
		c.known:    known.String(),
		c.ansible:  list.String(),
		c.playbook: "- hosts: all\n  gather_facts: true\n  tasks:\n  - package_facts:\n  - service_facts:\n",
	} {
		require.NoError(c.b, os.WriteFile(file, []byte(text), 0o600))
	}
	c.sshOptions = []string{"-o", "BatchMode=yes", "-o", "UserKnownHostsFile=" + c.known, "-o", "StrictHostKeyChecking=yes", "-i", c.identity}
}

// settle waits until the hosts have nothing more to do for their boot.
func (c *capturing) settle() {
	for _, h := range c.hosts {
		require.NoError(c.b, h.Exec(c.b.Context(), "systemctl is-system-running --wait >/dev/null; true", nil, nil))
	}
}

// capture takes the inventory of all hosts at once, over new connections.
func (c *capturing) capture() {
	var targets []inventory.Target
	for _, h := range c.hosts {
		host := remote.NewSSH(remote.SSHConfig{
			Name: h.Name(), Address: func(context.Context) (string, error) { return h.Address().String(), nil },
			IdentityFile: c.identity, KnownHosts: []string{c.known}, ConnectTimeout: time.Minute,
		})
		defer host.Close() //nolint:errcheck // of the bench
		targets = append(targets, inventory.Target{Host: host})
	}
	options := inventory.Options{AtOnce: benchHosts, Redactor: redact.New(make([]byte, redact.KeySize)), Objects: inventory.NewObjects(c.b.TempDir())}
	for _, r := range inventory.Capture(c.b.Context(), targets, options) {
		require.NoError(c.b, r.Err)
		require.Greater(c.b, len(r.Host.Packages), 100)
		require.NotEmpty(c.b, r.Host.Services)
		require.NotEmpty(c.b, r.Host.Listeners)
	}
}

// commands is one ssh a host that runs the four commands that any inventory needs.
func (c *capturing) commands() {
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

// facts is Ansible's three modules on all hosts at once, in one play.
func (c *capturing) facts(pipelining bool) { c.runAnsible(pipelining, "ansible-playbook", c.playbook) }

// adhoc is the same by three commands: ansible -m setup, and so on.
func (c *capturing) adhoc() {
	for _, module := range []string{"setup", "package_facts", "service_facts"} {
		c.runAnsible(false, "ansible", "all", "-m", module)
	}
}

func (c *capturing) runAnsible(pipelining bool, program string, args ...string) {
	limit := "all"
	if len(c.hosts) == 1 {
		limit = c.hosts[0].Name()
	}
	args = append(args, "-f", fmt.Sprint(benchHosts), "-l", limit, "-i", c.ansible, "-u", "root")
	cmd := exec.CommandContext(c.b.Context(), program, args...) //nolint:gosec // of the bench
	cmd.Env = append(os.Environ(), "ANSIBLE_LOCAL_TEMP="+c.dir, "ANSIBLE_SSH_CONTROL_PATH_DIR="+c.dir, "ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3",
		"ANSIBLE_SSH_EXTRA_ARGS="+strings.Join(c.sshOptions, " "), "LC_ALL=C.UTF-8", fmt.Sprintf("ANSIBLE_PIPELINING=%t", pipelining),
		"ANSIBLE_SSH_ARGS=-C -o ControlMaster=auto -o ControlPersist=60s")
	out, err := cmd.CombinedOutput()
	require.NoError(c.b, err, "%s", out)
}

// spent is how long something took, and the processor time of all hosts, of this
// process and of its children for it: what a busy machine changes less.
type spent struct{ wall, processor time.Duration }

func (c *capturing) measure(f func()) spent {
	before, begin := c.processor(), time.Now()
	f()
	return spent{time.Since(begin), c.processor() - before}
}

func (c *capturing) processor() time.Duration {
	sum := time.Duration(0)
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var usage syscall.Rusage
		require.NoError(c.b, syscall.Getrusage(who, &usage))
		sum += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	for _, h := range c.hosts {
		text, err := os.ReadFile("/sys/fs/cgroup/" + prefix + h.Name() + "/cpu.stat")
		if err != nil { // a hybrid machine has the unified hierarchy beside others
			text, err = os.ReadFile("/sys/fs/cgroup/unified/" + prefix + h.Name() + "/cpu.stat")
		}
		require.NoError(c.b, err)
		var microseconds int64
		_, err = fmt.Sscanf(string(text), "usage_usec %d", &microseconds)
		require.NoError(c.b, err, "%s", text)
		sum += time.Duration(microseconds) * time.Microsecond
	}
	return sum
}

// BenchmarkInventory captures 20 booted hosts at once, in turn with Ansible's
// facts of the same hosts and with four commands over ssh; figures are medians.
func BenchmarkInventory(b *testing.B) {
	for _, program := range []string{"ansible-playbook", "ssh"} {
		_, err := exec.LookPath(program)
		remotetest.Need(b, err == nil, program)
	}
	c := openCapturing(b)
	ways := []struct {
		name string
		run  func()
	}{
		{"capture", c.capture},
		{"commands", c.commands},
		{"ansible", func() { c.facts(false) }},
		{"ansible-pipelining", func() { c.facts(true) }},
		{"ansible-adhoc", c.adhoc},
	}
	c.commands() // into the page cache
	c.capture()
	hosts := c.hosts
	all, one := map[string][]spent{}, map[string][]spent{}
	for b.Loop() {
		for _, way := range ways {
			c.hosts = hosts
			all[way.name] = append(all[way.name], c.measure(way.run))
			c.hosts = hosts[:1] // here the host's processor is its own
			one[way.name] = append(one[way.name], c.measure(way.run))
		}
	}
	wall := func(s spent) time.Duration { return s.wall }
	for _, way := range ways {
		b.ReportMetric(medianOf(all[way.name], wall), way.name+"-s")
		b.ReportMetric(medianOf(all[way.name], func(s spent) time.Duration { return s.processor }), way.name+"-processor-s")
		b.ReportMetric(medianOf(one[way.name], wall), "one-"+way.name+"-s")
	}
}

func medianOf(list []spent, of func(spent) time.Duration) float64 {
	var all []time.Duration
	for _, s := range list {
		all = append(all, of(s))
	}
	slices.Sort(all)
	return all[len(all)/2].Seconds()
}
