package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	mdns "github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/report"
)

// Propagation asks name servers until a change is in force.
type Propagation struct {
	// Server (host:port) answers for the zones. "" means each of the zone's own name
	// servers, on port 53.
	Server string
	// Interval is the time between two rounds; 0 means 500 ms. Within is the longest
	// wait; 0 means 2 minutes.
	Interval, Within time.Duration
}

const (
	defaultInterval = 500 * time.Millisecond
	defaultWithin   = 2 * time.Minute
	queryTimeout    = 2 * time.Second
	queriesAtOnce   = 16
)

// expectation is what name servers must answer for one name and type.
type expectation struct {
	name, kind     string
	proxied        bool     // the vendor's edge answers: any address is right
	want, unwanted []string // contents that must and must not be in the answer
	maxTTL         int      // seconds; 0 means any; checked in authoritative answers only
}

func (e expectation) String() string { return e.name + " " + e.kind }

// expectedContents returns what name servers must answer for the names of goals.
// records are the zone's records from the API.
func expectedContents(goals []goal, records []Record) []expectation {
	indexOf := map[string]int{}
	var out []expectation
	current := byID(records)
	for _, g := range goals {
		r, ok := current[g.id]
		if !ok {
			continue // the record is gone, and Force skips it
		}
		i, ok := indexOf[g.record()]
		if !ok {
			i = len(out)
			indexOf[g.record()] = i
			out = append(out, expectation{name: g.name, kind: g.kind, proxied: r.Proxied})
		}
		out[i].want = append(out[i].want, g.want)
		if !sameContent(g.from, g.want) {
			out[i].unwanted = append(out[i].unwanted, g.from)
		}
	}
	for i := range out {
		// another record of the name may still hold the address: then it is not unwanted
		out[i].unwanted = slices.DeleteFunc(out[i].unwanted, func(content string) bool {
			return slices.ContainsFunc(records, func(r Record) bool {
				return r.Name == out[i].name && r.Type == out[i].kind && sameContent(r.Content, content)
			})
		})
	}
	return out
}

// await asks every server for every expectation until all are met. It returns an error
// when Within has passed or ctx ends.
func (p Propagation) await(ctx context.Context, zone Zone, expectations []expectation) error {
	within, interval := p.Within, p.Interval
	if within == 0 {
		within = defaultWithin
	}
	if interval == 0 {
		interval = defaultInterval
	}
	servers, err := p.servers(ctx, zone)
	if err != nil {
		return err
	}
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	// A round that began in time may end, but asking a dead server for many names must
	// not take hours.
	round, cancel := context.WithTimeout(ctx, within+queryTimeout)
	defer cancel()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		unmet := askAll(round, servers, expectations)
		report.Show(ctx, report.Progress{Done: int64(len(expectations) - len(unmet)), Total: int64(len(expectations)), Unit: "names", What: "name servers of " + zone.Name})
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for the name servers of %s: %w", zone.Name, err)
		}
		if len(unmet) == 0 {
			return nil
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
			return fmt.Errorf("wait for the name servers of %s: %w", zone.Name, ctx.Err())
		case <-deadline.C:
		}
		return report.WithHint(fmt.Errorf("%s: %d of %d names not yet as wanted: %w", zone.Name, len(unmet), len(expectations), firstOf(unmet)),
			"the API has the change, the name servers (%s) do not answer it: see their status, then run the same command again", strings.Join(servers, ", "))
	}
}

func firstOf(unmet []error) error {
	const most = 3
	if len(unmet) > most {
		return errors.Join(append(slices.Clone(unmet[:most]), fmt.Errorf("and %d more", len(unmet)-most))...)
	}
	return errors.Join(unmet...)
}

// servers returns the addresses (host:port) of the name servers to ask.
func (p Propagation) servers(ctx context.Context, zone Zone) ([]string, error) {
	if p.Server != "" {
		return []string{p.Server}, nil
	}
	var out []string
	for _, ns := range zone.NameServers {
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", ns)
		if err != nil {
			return nil, report.WithHint(fmt.Errorf("find name server %s of %s: %w", ns, zone.Name, err), "set dns.resolver to a server that answers for the zones")
		}
		// IPv6 addresses are asked only if there are no others: not every operator's
		// network has IPv6.
		if v4 := slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool { return !a.Unmap().Is4() }); len(v4) > 0 {
			addrs = v4
		}
		for _, a := range addrs {
			out = append(out, net.JoinHostPort(a.Unmap().String(), "53"))
		}
	}
	if len(out) == 0 {
		return nil, report.WithHint(fmt.Errorf("zone %s has no name servers", zone.Name), "set dns.resolver to a server that answers for the zones")
	}
	return out, nil
}

// askAll makes one round. It returns one error for each expectation that is not met,
// in order.
func askAll(ctx context.Context, servers []string, expectations []expectation) []error {
	errs := make([]error, len(expectations))
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(queriesAtOnce)
	for i, a := range expectations {
		for _, server := range servers {
			group.Go(func() error {
				err := a.ask(ctx, server)
				mu.Lock()
				defer mu.Unlock()
				if errs[i] == nil {
					errs[i] = err
				}
				return nil // an error must not stop the round: the operator sees how many are wrong
			})
		}
	}
	_ = group.Wait() // errors are in errs
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

func (e expectation) ask(ctx context.Context, server string) error {
	kinds := []string{e.kind}
	if e.proxied { // the edge may answer with the other family only
		kinds = []string{"A", "AAAA"}
	}
	var got []string
	for _, kind := range kinds {
		resp, err := query(ctx, server, queryName(e.name), kind)
		if err != nil {
			return fmt.Errorf("ask %s for %s: %w", server, e, err)
		}
		for _, rr := range resp.Answer {
			content, ok := addressOf(rr)
			if !ok {
				continue
			}
			got = append(got, content)
			if ttl := int(rr.Header().Ttl); ttl > e.maxTTL && e.limitsTTL(content) && resp.Authoritative {
				return fmt.Errorf("%s answers %s with TTL %d, above %d", server, e, ttl, e.maxTTL)
			}
		}
		if e.proxied && len(got) > 0 {
			return nil
		}
	}
	return e.compare(server, got)
}

// limitsTTL reports whether maxTTL applies to an answer with this content: other
// records of the same name keep their TTL.
func (e expectation) limitsTTL(content string) bool {
	return e.maxTTL > 0 && !e.proxied && slices.ContainsFunc(e.want, func(w string) bool { return sameContent(w, content) })
}

func (e expectation) compare(server string, got []string) error {
	answered := orNone(strings.Join(got, ", "))
	if e.proxied {
		return fmt.Errorf("%s answers nothing for %s, which is proxied", server, e)
	}
	for _, w := range e.want {
		if !slices.ContainsFunc(got, func(g string) bool { return sameContent(g, w) }) {
			return fmt.Errorf("%s answers %s for %s, not %s", server, answered, e, w)
		}
	}
	for _, g := range e.unwanted {
		if slices.ContainsFunc(got, func(x string) bool { return sameContent(x, g) }) {
			return fmt.Errorf("%s still answers %s for %s", server, g, e)
		}
	}
	return nil
}

// queryName returns the name to ask for. For a wildcard it is a name below it that
// has no record of its own.
func queryName(name string) string {
	if below, ok := strings.CutPrefix(name, "*."); ok {
		return "migrate-asks." + below
	}
	return name
}

func query(ctx context.Context, server, name, kind string) (*mdns.Msg, error) {
	msg := new(mdns.Msg)
	msg.SetQuestion(mdns.Fqdn(name), mdns.StringToType[kind])
	client := &mdns.Client{Timeout: queryTimeout}
	resp, _, err := client.ExchangeContext(ctx, msg, server)
	if err == nil && resp.Truncated {
		client.Net = "tcp"
		resp, _, err = client.ExchangeContext(ctx, msg, server)
	}
	if err != nil {
		return nil, err
	}
	if resp.Rcode != mdns.RcodeSuccess && resp.Rcode != mdns.RcodeNameError {
		return nil, fmt.Errorf("answer %s", mdns.RcodeToString[resp.Rcode])
	}
	return resp, nil
}

func addressOf(rr mdns.RR) (string, bool) {
	switch rr := rr.(type) {
	case *mdns.A:
		return rr.A.String(), true
	case *mdns.AAAA:
		return rr.AAAA.String(), true
	}
	return "", false
}
