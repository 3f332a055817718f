package provision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// ErrNotProvisioned says that a host of the new site does not exist yet.
var ErrNotProvisioned = errors.New("the droplet is not made yet")

// Host is a host of the new site.
type Host struct {
	Name    string     `json:"name"`
	Droplet int        `json:"droplet"` // id at the vendor
	Public  netip.Addr `json:"public"`
	Private netip.Addr `json:"private"`
	// PublicV6 is invalid without IPv6.
	PublicV6 netip.Addr `json:"public_v6,omitzero"`
	// Reserved is the reserved IP, which clients are led to in place of Public.
	Reserved netip.Addr `json:"reserved,omitzero"`
	// HostKey is the key that the host's sshd must show, in authorized_keys form
	// without comment. NextKey is accepted too while the key is being replaced.
	HostKey string `json:"host_key,omitempty"`
	NextKey string `json:"next_key,omitempty"`
	// Bootstrap says that HostKey is the key from user-data, not yet replaced.
	Bootstrap bool `json:"bootstrap,omitempty"`
}

// Directory keeps the addresses and host keys of the new hosts in hosts.json in the
// state folder, and writes a known_hosts file from them. Each file is replaced
// atomically, and only the operator can read it. A Directory is safe for concurrent use.
type Directory struct {
	folder string
	port   int

	mu    sync.Mutex
	hosts map[string]Host
}

// OpenDirectory reads the directory in the state folder. port is the port of sshd on
// the new hosts; 0 is 22. Without hosts.json the directory is empty.
func OpenDirectory(folder string, port int) (*Directory, error) {
	d := &Directory{folder: folder, port: max(port, 0), hosts: map[string]Host{}}
	if d.port == 0 {
		d.port = 22
	}
	data, err := os.ReadFile(d.path())
	if errors.Is(err, os.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read new hosts: %w", err)
	}
	if err := json.Unmarshal(data, &d.hosts); err != nil {
		return nil, report.WithHint(fmt.Errorf("read new hosts: %s: %w", d.path(), err),
			"move the file away: migrate apply writes it again from the vendor's API and the known_hosts file")
	}
	return d, nil
}

func (d *Directory) path() string { return filepath.Join(d.folder, "hosts.json") }

// KnownHosts returns the path of the known_hosts file of the new hosts.
func (d *Directory) KnownHosts() string { return filepath.Join(d.folder, "known_hosts") }

// Lookup returns a host of the new site, or ErrNotProvisioned.
func (d *Directory) Lookup(name string) (Host, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h, ok := d.hosts[name]
	if !ok {
		return Host{}, report.WithHint(fmt.Errorf("new host %s: %w", name, ErrNotProvisioned), "run migrate apply first")
	}
	return h, nil
}

// Address returns a function for remote.SSHConfig that returns the host's public
// address, or ErrNotProvisioned while the host does not exist.
func (d *Directory) Address(name string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		h, err := d.Lookup(name)
		if err != nil {
			return "", err
		}
		return h.Public.String(), nil
	}
}

// Hosts returns all hosts of the new site, sorted by name.
func (d *Directory) Hosts() []Host {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]Host, 0, len(d.hosts))
	for _, h := range d.hosts {
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b Host) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Record adds the hosts to the directory. A host replaces the one of the same name.
func (d *Directory) Record(hosts ...Host) error {
	return d.update(func(all map[string]Host) {
		for _, h := range hosts {
			all[h.Name] = h
		}
	})
}

// update changes the hosts and writes both files. It writes hosts.json first: the next
// update repairs a crash between the two, and until then the known_hosts file has only
// keys that were accepted before the update.
func (d *Directory) update(change func(map[string]Host)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d.hosts)
	if err := plan.WriteJSON(d.path(), d.hosts); err != nil {
		return fmt.Errorf("record new hosts: %w", err)
	}
	if err := plan.WriteFile(d.KnownHosts(), []byte(d.knownHosts())); err != nil {
		return fmt.Errorf("record host keys: %w", err)
	}
	return nil
}

// knownHosts renders every accepted key of every address. The caller holds mu.
func (d *Directory) knownHosts() string {
	var lines []string
	for name, h := range d.hosts {
		for _, key := range []string{h.HostKey, h.NextKey} {
			if key == "" {
				continue
			}
			comment := name
			if h.Bootstrap && key == h.HostKey {
				comment += bootstrapMark
			}
			for _, a := range []netip.Addr{h.Public, h.Private} {
				if a.IsValid() {
					lines = append(lines, d.knownHostsAddress(a)+" "+key+" "+comment)
				}
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(append(lines, ""), "\n")
}

// bootstrapMark ends the comment of a bootstrap key in known_hosts.
const bootstrapMark = ":bootstrap"

// knownHostsAddress is the address and port as a line of known_hosts begins.
func (d *Directory) knownHostsAddress(a netip.Addr) string {
	return knownhosts.Normalize(netip.AddrPortFrom(a, uint16(d.port)).String()) //nolint:gosec // a port
}

// knownKey returns the key of an address in the known_hosts file, for a directory
// whose hosts.json was lost. It returns "" if the file has no key of the address, or
// more than one.
func (d *Directory) knownKey(a netip.Addr) (key string, bootstrap bool) {
	data, err := os.ReadFile(d.KnownHosts())
	if err != nil {
		return "", false
	}
	for len(data) > 0 {
		_, hosts, public, comment, rest, err := ssh.ParseKnownHosts(data)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", false
		}
		data = rest
		if !slices.Contains(hosts, d.knownHostsAddress(a)) {
			continue
		}
		if key != "" {
			return "", false
		}
		key, bootstrap = authorizedKey(public), strings.HasSuffix(comment, bootstrapMark)
	}
	return key, bootstrap
}

// authorizedKey renders a public key in authorized_keys form, without newline.
func authorizedKey(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}
