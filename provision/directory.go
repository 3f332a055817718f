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

// ErrNotProvisioned says that a host of the new site is not made yet.
var ErrNotProvisioned = errors.New("the droplet is not made yet")

// Machine is a host of the new site.
type Machine struct {
	Name    string     `json:"name"`
	Droplet int        `json:"droplet"` // id at the vendor
	Public  netip.Addr `json:"public"`
	Private netip.Addr `json:"private"`
	// HostKey is the key that its sshd must show, in authorized_keys form without
	// comment; NextKey is acceptable too while the key is being replaced.
	HostKey string `json:"host_key,omitempty"`
	NextKey string `json:"next_key,omitempty"`
	// Bootstrap marks HostKey as the one from user-data, not yet replaced.
	Bootstrap bool `json:"bootstrap,omitempty"`
}

// Directory is what the migration knows about the new hosts: hosts.json in the
// state folder, and a known_hosts file that follows from it. Both are replaced
// atomically and readable by the operator only. It is safe for concurrent use.
type Directory struct {
	folder string
	port   int

	mu       sync.Mutex
	machines map[string]Machine
}

// OpenDirectory reads the directory in the state folder; port is where the new
// hosts' sshd listens (0 is 22). A folder without hosts.json is an empty one.
func OpenDirectory(folder string, port int) (*Directory, error) {
	d := &Directory{folder: folder, port: max(port, 0), machines: map[string]Machine{}}
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
	if err := json.Unmarshal(data, &d.machines); err != nil {
		return nil, report.WithHint(fmt.Errorf("read new hosts: %s: %w", d.path(), err),
			"move the file away: migrate apply writes it again from the vendor's API and the known_hosts file")
	}
	return d, nil
}

func (d *Directory) path() string { return filepath.Join(d.folder, "hosts.json") }

// KnownHosts is the path of the known_hosts file of the new hosts.
func (d *Directory) KnownHosts() string { return filepath.Join(d.folder, "known_hosts") }

// Lookup returns a host of the new site, or ErrNotProvisioned.
func (d *Directory) Lookup(name string) (Machine, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m, ok := d.machines[name]
	if !ok {
		return Machine{}, report.WithHint(fmt.Errorf("new host %s: %w", name, ErrNotProvisioned), "run migrate apply first")
	}
	return m, nil
}

// Address returns a function that remote.SSHConfig takes: the public address of
// the host, as soon as it has one.
func (d *Directory) Address(name string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		m, err := d.Lookup(name)
		if err != nil {
			return "", err
		}
		return m.Public.String(), nil
	}
}

// Machines returns all hosts of the new site, by name.
func (d *Directory) Machines() []Machine {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]Machine, 0, len(d.machines))
	for _, m := range d.machines {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b Machine) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Record writes hosts down, each in place of an earlier one of its name.
func (d *Directory) Record(hosts ...Machine) error {
	return d.update(func(all map[string]Machine) {
		for _, h := range hosts {
			all[h.Name] = h
		}
	})
}

// update changes the machines and writes both files. hosts.json goes first: a
// crash between the two is repaired by the next update, and until then the
// known_hosts file only knows keys that were acceptable a moment ago.
func (d *Directory) update(change func(map[string]Machine)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d.machines)
	if err := plan.WriteJSON(d.path(), d.machines); err != nil {
		return fmt.Errorf("record new hosts: %w", err)
	}
	if err := plan.WriteFile(d.KnownHosts(), []byte(d.knownHosts())); err != nil {
		return fmt.Errorf("record host keys: %w", err)
	}
	return nil
}

// knownHosts renders every acceptable key of every address. The caller holds mu.
func (d *Directory) knownHosts() string {
	var lines []string
	for name, m := range d.machines {
		for _, key := range []string{m.HostKey, m.NextKey} {
			if key == "" {
				continue
			}
			mark := name
			if m.Bootstrap && key == m.HostKey {
				mark += bootstrapMark
			}
			for _, a := range []netip.Addr{m.Public, m.Private} {
				if a.IsValid() {
					lines = append(lines, d.normal(a)+" "+key+" "+mark)
				}
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(append(lines, ""), "\n")
}

// bootstrapMark ends the comment of a bootstrap key in known_hosts.
const bootstrapMark = ":bootstrap"

func (d *Directory) normal(a netip.Addr) string {
	return knownhosts.Normalize(netip.AddrPortFrom(a, uint16(d.port)).String()) //nolint:gosec // a port
}

// remembered finds the key of an address in the known_hosts file, for a
// directory whose hosts.json was lost. It returns "" when there is none, or
// more than one.
func (d *Directory) remembered(a netip.Addr) (key string, bootstrap bool) {
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
		if !slices.Contains(hosts, d.normal(a)) {
			continue
		}
		if key != "" {
			return "", false
		}
		key, bootstrap = marshalKey(public), strings.HasSuffix(comment, bootstrapMark)
	}
	return key, bootstrap
}

// marshalKey is a public key in authorized_keys form without newline.
func marshalKey(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}
