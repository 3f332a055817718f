// Package wiring connects one migration's configuration to what it names: the
// hosts of both sites, the servers of each pair, the vendors' clients and the
// state folder. It needs a validated configuration. Nothing is connected until
// it is used, and Close ends every connection.
package wiring

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/dns/cloudflare"
	"github.com/dcmigrate/migrate/move/pairs"
	"github.com/dcmigrate/migrate/move/state"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
)

// Site is one migration, wired: both its old and its new site.
type Site struct {
	Config    *config.Config
	State     *state.Folder
	Directory *provision.Directory // the new hosts
	Pairs     pairs.Pairs

	mu    sync.Mutex
	hosts map[string]remote.Host // "source/web1"
	zones *cloudflare.Client     // once Zones was called
	cloud provision.Cloud        // once Cloud was called
}

// Open wires the migration that cfg describes.
func Open(cfg *config.Config) (*Site, error) {
	dir, err := provision.OpenDirectory(cfg.StateDir, cfg.SSH.Port)
	if err != nil {
		return nil, err
	}
	s := &Site{Config: cfg, State: state.At(cfg.StateDir), Directory: dir, hosts: map[string]remote.Host{}}
	for _, d := range cfg.Databases {
		s.Pairs = append(s.Pairs, s.pair(d))
	}
	return s, nil
}

// Close ends every connection.
func (s *Site) Close() error {
	var errs []error
	for _, p := range s.Pairs {
		errs = append(errs, p.Source.Close(), p.Target.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.hosts {
		errs = append(errs, h.Close())
	}
	return errors.Join(errs...)
}

// Source is a host of the old site, by its name in the configuration.
func (s *Site) Source(name string) remote.Host {
	return s.host("source/"+name, func() remote.Host {
		address := func(context.Context) (string, error) { return s.OldAddress(name).String(), nil }
		return s.ssh(name, []string{s.Config.SSH.KnownHosts}, address)
	})
}

// Target is the clone of a host; its address is looked up when it is connected to.
func (s *Site) Target(name string) remote.Host {
	return s.host("target/"+name, func() remote.Host {
		return s.ssh(name+" (target)", []string{s.Directory.KnownHosts()}, s.Directory.Address(name))
	})
}

func (s *Site) host(key string, make func() remote.Host) remote.Host {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hosts[key] == nil {
		s.hosts[key] = make()
	}
	return s.hosts[key]
}

func (s *Site) ssh(name string, known []string, address func(context.Context) (string, error)) remote.Host {
	c := s.Config.SSH
	return remote.NewSSH(remote.SSHConfig{
		Name: name, Address: address, Port: c.Port, User: c.User,
		IdentityFile: c.IdentityFile, KnownHosts: known, ConnectTimeout: c.ConnectTimeout,
	})
}

// pair wires one database. migrate logs in to each server from the server's own host.
func (s *Site) pair(d config.Database) replication.Pair {
	server := func(side replication.Side, h remote.Host, c config.DatabaseServer, address func(context.Context) (string, error)) *replication.Server {
		return replication.NewServer(replication.ServerConfig{
			Name: fmt.Sprintf("%s (%s)", d.Host, side), Side: side, Host: h,
			Network: "unix", Address: c.Socket, User: c.User, Password: c.Password,
			Endpoint: func(ctx context.Context) (replication.Endpoint, error) {
				a, err := address(ctx)
				return replication.Endpoint{Host: a, Port: c.Port}, err
			},
		})
	}
	old := func(context.Context) (string, error) { return s.OldAddress(d.Host).String(), nil }
	return replication.Pair{
		Name: d.Name, Schemas: d.Schemas,
		Source: server(replication.Source, s.Source(d.Host), d.Source, old),
		Target: server(replication.Target, s.Target(d.Host), d.Target, s.Directory.Address(d.Host)),
	}
}

// OldAddress is a host's address at the old site.
func (s *Site) OldAddress(host string) netip.Addr {
	h, _ := s.Config.Host(host)
	return h.Address.Addr
}

// NewAddress is the new address of the service at an old host's address. The error
// wraps provision.ErrNotProvisioned while the clone does not exist.
func (s *Site) NewAddress(old netip.Addr) (netip.Addr, error) {
	for _, h := range s.Config.Hosts {
		if h.Address.Addr == old {
			t, err := s.Directory.Lookup(h.Name)
			if t.Reserved.IsValid() {
				return t.Reserved, err
			}
			return t.Public, err
		}
	}
	return netip.Addr{}, fmt.Errorf("%s is not a host of the old site", old)
}
