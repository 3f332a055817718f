// Package lab is a datacenter on one machine, made of real parts: an old site
// of Debian hosts that run a small blog, simulators of the vendors' APIs (creating
// a droplet boots a host), an edge and a DNS server that follow the records, and
// clients whose acknowledged writes are checked at the end.
//
// It needs root on Linux, the programs that machine.Require names, and Go, which
// builds the blog. Close leaves nothing on the machine but the cached base tree.
package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/lab/cfsim"
	"github.com/dcmigrate/migrate/lab/check"
	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/lab/machine"
	"github.com/dcmigrate/migrate/lab/traffic"
	"github.com/dcmigrate/migrate/secret"
)

// Addresses of the lab: this machine is the gateway, the edge and the name server.
const (
	gatewayAddress = "10.213.0.1"
	WebAddress     = "10.213.0.11"
	DBAddress      = "10.213.0.12"
	edgeListen     = gatewayAddress + ":80"
	dnsListen      = gatewayAddress + ":5300"
)

// Options of a lab.
type Options struct {
	Dir      string       // workspace of the operator: keys, migration.yaml, logs
	Limits   dosim.Limits // of the DigitalOcean account; zero fields are the vendor's
	Edge     cfsim.Limits // of the Cloudflare token; zero fields are the vendor's
	TTL      int          // of the hosts' DNS-only records, seconds; default 90, which a move waits for
	Progress func(string) // receives one line for each part that is built or started; may be nil
}

// Lab is a running datacenter. Open it, Close it.
type Lab struct {
	options Options
	Network *machine.Network
	Web, DB *machine.Host // of the old site
	DO      *dosim.Sim
	CF      *cfsim.Sim

	doEndpoint, cfEndpoint string
	tokens                 map[string]secret.Value // by environment variable
	password               secret.Value            // of the application's database user
	closers                []func(context.Context) error
	closeOnce              sync.Once
	closeErr               error
}

// Open builds the base tree if it is missing, boots the old site, and starts the
// simulators. After an error it stops what it has started.
func Open(ctx context.Context, opt Options) (*Lab, error) {
	if opt.TTL == 0 {
		opt.TTL = 90
	}
	if opt.Progress == nil {
		opt.Progress = func(string) {}
	}
	l := &Lab{options: opt, tokens: map[string]secret.Value{
		"DIGITALOCEAN_TOKEN": secret.Generate(), "CLOUDFLARE_API_TOKEN": secret.Generate(),
	}}
	if err := l.open(ctx); err != nil {
		return nil, errors.Join(err, l.Close(context.WithoutCancel(ctx)))
	}
	return l, nil
}

func (l *Lab) open(ctx context.Context) error {
	if err := machine.Require(); err != nil {
		return err
	}
	base, err := machine.Base(ctx, machine.DefaultCache, l.options.Progress)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(l.options.Dir, 0o700); err != nil {
		return fmt.Errorf("make workspace: %w", err)
	}
	l.Network = machine.NewNetwork(base)
	l.Network.Progress = l.options.Progress
	if err := l.Network.Open(ctx); err != nil {
		return err
	}
	l.closers = append(l.closers, l.Network.Close)
	key, err := l.writeKey()
	if err != nil {
		return err
	}
	if err := l.bootOldSite(ctx, key); err != nil {
		return err
	}
	return l.openSimulators()
}

// bootOldSite boots the two hosts of the blog and fills its database.
func (l *Lab) bootOldSite(ctx context.Context, key string) error {
	l.options.Progress("building the blog")
	app, err := buildBlog(ctx, filepath.Join(l.options.Dir, "blog"))
	if err != nil {
		return err
	}
	password := secret.Generate()
	l.password = password
	l.options.Progress("booting the old site: web1 (nginx, blog), db1 (MariaDB)")
	var g errgroup.Group
	g.Go(func() (err error) {
		l.Web, err = l.Network.Boot(ctx, webSpec(key, app, password))
		return err
	})
	g.Go(func() (err error) {
		l.DB, err = l.Network.Boot(ctx, dbSpec(key))
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if err := l.loadDatabase(ctx, password); err != nil {
		return err
	}
	if err := l.Web.Exec(ctx, startBlog, nil, nil); err != nil {
		return fmt.Errorf("start the blog: %w", err)
	}
	return l.writeKnownHosts()
}

// openSimulators starts the two vendors' APIs, the edge and the DNS server.
func (l *Lab) openSimulators() error {
	do := dosim.New(dosim.Options{Token: l.tokens["DIGITALOCEAN_TOKEN"], Booter: &booter{lab: l, hosts: map[int]*machine.Host{}}, BootDelay: time.Second, Limits: l.options.Limits})
	l.DO = do
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := dosim.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		cancel()
		return err
	}
	srv := serve(listener, do)
	l.doEndpoint = "http://" + listener.Addr().String() + "/"
	l.closers = append(l.closers, func(ctx context.Context) error {
		defer cancel()
		return errors.Join(srv.Shutdown(ctx), do.Close())
	})

	l.CF = cfsim.New(cfsim.Options{Token: l.tokens["CLOUDFLARE_API_TOKEN"].Open(), Plan: cfsim.PlanPro, Limits: l.options.Edge})
	for name, records := range zones(l.options.TTL) {
		if _, err := l.CF.AddZone(name, records...); err != nil {
			return fmt.Errorf("add zone %s: %w", name, err)
		}
	}
	api, err := l.CF.ServeAPI("127.0.0.1:0")
	if err != nil {
		return err
	}
	l.cfEndpoint = api.URL()
	l.closers = append(l.closers, func(context.Context) error { return api.Close() })
	edge, err := l.CF.ServeEdge(edgeListen, cfsim.EdgeOptions{})
	if err != nil {
		return err
	}
	l.closers = append(l.closers, func(context.Context) error { return edge.Close() })
	dns, err := l.CF.ServeDNS(dnsListen, cfsim.DNSOptions{Edge: []netip.Addr{netip.MustParseAddr(gatewayAddress)}})
	if err != nil {
		return err
	}
	l.closers = append(l.closers, func(context.Context) error { return dns.Close() })
	return nil
}

// Traffic returns clients that are not started yet. Their log is in the workspace.
func (l *Lab) Traffic(likes bool) *traffic.Traffic {
	return &traffic.Traffic{Edge: edgeListen, Names: hostNames, Path: filepath.Join(l.options.Dir, "traffic.jsonl"), Likes: likes}
}

// drainTimeout is how long the links may take to drain once no client writes.
const drainTimeout = time.Minute

// Check waits until both links have drained, and compares a traffic log with both
// sides' databases. Pause or stop the traffic before.
func (l *Lab) Check(ctx context.Context, log traffic.Log) (check.Report, error) {
	target, err := l.Target("db1")
	if err != nil {
		return check.Report{}, err
	}
	source := database{l.DB}
	drain, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	if err := check.Drain(drain, source, database{target}); err != nil {
		return check.Report{}, err
	}
	return check.History(ctx, log, source, database{target})
}

// CheckTarget compares a traffic log with the target's database only, as after finish.
func (l *Lab) CheckTarget(ctx context.Context, log traffic.Log) (check.Report, error) {
	target, err := l.Target("db1")
	if err != nil {
		return check.Report{}, err
	}
	return check.Side(ctx, log, traffic.NewSite, database{target})
}

// Writers returns the sides of db1 that accept application writes, by the names of
// package traffic.
func (l *Lab) Writers(ctx context.Context) ([]string, error) {
	target, err := l.Target("db1")
	if err != nil {
		return nil, err
	}
	var writable []string
	for name, host := range map[string]*machine.Host{traffic.OldSite: l.DB, traffic.NewSite: target} {
		readOnly, err := database{host}.Query(ctx, "SELECT @@read_only")
		if err != nil {
			return nil, fmt.Errorf("ask the %s database: %w", name, err)
		}
		if strings.TrimSpace(string(readOnly)) == "0" {
			writable = append(writable, name)
		}
	}
	return writable, nil
}

// Close stops everything that Open started, in reverse order. It may be called
// more than once.
func (l *Lab) Close(ctx context.Context) error {
	l.closeOnce.Do(func() {
		for i := len(l.closers) - 1; i >= 0; i-- {
			l.closeErr = errors.Join(l.closeErr, l.closers[i](ctx))
		}
	})
	return l.closeErr
}
