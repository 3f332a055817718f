// Package move composes the domains: it builds the plans of the verbs (apply,
// cutover, rollback, finish) out of the steps of inventory, provision,
// replication and dns, knows where the move stands, and runs them.
package move

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/dns/cloudflare"
	"github.com/dcmigrate/migrate/move/pairs"
	"github.com/dcmigrate/migrate/move/way"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/provision/digitalocean"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/report"
)

// ErrVendorLogin is wrapped when a vendor's token is missing or refused.
var ErrVendorLogin = errors.New("the vendor refuses the token")

// vendorWait is the longest that a vendor's Retry-After is waited for: a minute's
// burst limit, and some.
const vendorWait = 75 * time.Second

// Move is one migration, wired. Nothing is connected until it is needed.
type Move struct {
	Config *config.Config

	directory *provision.Directory
	cloud     provision.Cloud
	zones     *cloudflare.Client
	pairs     pairs.Pairs
	ways      way.Ways
	way       way.Way // the configuration's

	sourceLost bool // see GiveUpSource

	mu      sync.Mutex
	hosts   map[string]remote.Host // "source/web1"
	journal *plan.Journal          // while a verb that writes runs
}

// Open wires the move that cfg describes, whose way is one of ways.
func Open(cfg *config.Config, ways way.Ways) (*Move, error) {
	chosen, ok := ways.Named(cfg.Cutover.Way)
	if !ok {
		return nil, cfg.Wrong("cutover.way", fmt.Sprintf("there is no way %q", cfg.Cutover.Way), "ways are "+config.List(ways.Names(), "and"))
	}
	dir, err := provision.OpenDirectory(cfg.StateDir, cfg.SSH.Port)
	if err != nil {
		return nil, err
	}
	m := &Move{Config: cfg, directory: dir, ways: ways, way: chosen, hosts: map[string]remote.Host{}}
	for _, d := range cfg.Databases {
		m.pairs = append(m.pairs, m.pair(d))
	}
	return m, nil
}

// Close ends every connection.
func (m *Move) Close() error {
	var errs []error
	for _, p := range m.pairs {
		errs = append(errs, p.Source.Close(), p.Target.Close())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range m.hosts {
		errs = append(errs, h.Close())
	}
	return errors.Join(errs...)
}

// vendors opens the client of the zones' vendor, which every verb with a plan
// asks; provider opens the other's, which only apply does: the way back must
// not wait for a token that it does not use.
func (m *Move) vendors() (err error) {
	if m.zones != nil {
		return nil
	}
	cf := m.Config.DNS.Cloudflare
	if cf.Token.IsZero() {
		return noToken(cf.TokenEnv)
	}
	m.zones, err = cloudflare.New(cloudflare.Config{Token: cf.Token, Endpoint: cf.Endpoint})
	return err
}

// provider opens the client of the vendor of the new hosts, once.
func (m *Move) provider() (provision.Cloud, error) {
	if m.cloud != nil {
		return m.cloud, nil
	}
	do := m.Config.Provision.DigitalOcean
	if do.Token.IsZero() {
		return nil, noToken(do.TokenEnv)
	}
	cloud, err := digitalocean.New(digitalocean.Options{Token: do.Token, Endpoint: do.Endpoint, MaxWait: vendorWait})
	if err != nil {
		return nil, err
	}
	m.cloud = cloud
	return cloud, nil
}

func noToken(env string) error {
	return report.WithHint(fmt.Errorf("%w: the environment variable %s is empty", ErrVendorLogin, env), "export %s=…", env)
}

// Source is a host of the old site, by its name in the configuration.
func (m *Move) Source(name string) remote.Host {
	return m.host("source/"+name, func() remote.Host {
		h, _ := m.Config.Host(name)
		return m.ssh(name, []string{m.Config.SSH.KnownHosts}, func(context.Context) (string, error) { return h.Address.String(), nil })
	})
}

// Target is the clone of a host; its address is looked up when it is connected to.
func (m *Move) Target(name string) remote.Host {
	return m.host("target/"+name, func() remote.Host {
		return m.ssh(name+" (target)", []string{m.directory.KnownHosts()}, m.directory.Address(name))
	})
}

func (m *Move) host(key string, make func() remote.Host) remote.Host {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hosts[key] == nil {
		m.hosts[key] = make()
	}
	return m.hosts[key]
}

func (m *Move) ssh(name string, known []string, address func(context.Context) (string, error)) remote.Host {
	s := m.Config.SSH
	return remote.NewSSH(remote.SSHConfig{
		Name: name, Address: address, Port: s.Port, User: s.User,
		IdentityFile: s.IdentityFile, KnownHosts: known, ConnectTimeout: s.ConnectTimeout,
	})
}

// pair wires one database: both servers are logged in to from their own hosts.
func (m *Move) pair(d config.Database) replication.Pair {
	host, _ := m.Config.Host(d.Host)
	server := func(side replication.Side, h remote.Host, s config.DatabaseServer, address func(context.Context) (string, error)) *replication.Server {
		return replication.NewServer(replication.ServerConfig{
			Name: fmt.Sprintf("%s (%s)", d.Host, side), Side: side, Host: h,
			Network: "unix", Address: s.Socket, User: s.User, Password: s.Password,
			Endpoint: func(ctx context.Context) (replication.Endpoint, error) {
				a, err := address(ctx)
				return replication.Endpoint{Host: a, Port: s.Port}, err
			},
		})
	}
	return replication.Pair{
		Name: d.Name, Schemas: d.Schemas,
		Source: server(replication.Source, m.Source(d.Host), d.Source, func(context.Context) (string, error) { return host.Address.String(), nil }),
		Target: server(replication.Target, m.Target(d.Host), d.Target, m.directory.Address(d.Host)),
	}
}

// New implements dns.Addresses: where a source host's service goes.
func (m *Move) newAddress(old netip.Addr) (netip.Addr, error) {
	for _, h := range m.Config.Hosts {
		if h.Address.Addr == old {
			t, err := m.directory.Lookup(h.Name)
			return t.Public, err
		}
	}
	return netip.Addr{}, fmt.Errorf("%s is not a host of the old site", old)
}

// Files of the state folder.
func (m *Move) path(name string) string { return filepath.Join(m.Config.StateDir, name) }

func (m *Move) journalPath() string { return m.path("journal.jsonl") }

// ReviewPath is where the reviewed plan of a kind is kept.
func (m *Move) ReviewPath(kind string) string { return m.path("plan-" + kind + ".json") }

// Who is the operator, for the journal and the lock.
func Who() string {
	name := "uid " + strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return name + "@" + host
}
