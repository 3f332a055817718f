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
	// Server (host:port) answers for the zones; "" asks every one of the zone's
	// own name servers, on port 53.
	Server string
	// Interval between two rounds; 0 is 500 ms. Within is the longest wait; 0 is
	// 2 minutes.
	Interval, Within time.Duration
}

const (
	defaultInterval = 500 * time.Millisecond
	defaultWithin   = 2 * time.Minute
	queryTimeout    = 2 * time.Second
	queriesAtOnce   = 16
)

// answer is what one name and type must answer.
type answer struct {
	name, kind string
	proxied    bool     // answered by the vendor's edge: any address
	want, gone []string // contents that must and must not be there
	maxTTL     int      // seconds; 0 is any; asked of authoritative answers only
}

func (a answer) String() string { return a.name + " " + a.kind }

// contentAnswers says what the names of goals must answer, given the zone's
// records as the API has them.
func contentAnswers(goals []goal, records []Record) []answer {
	index := map[string]int{}
	var out []answer
	have := byID(records)
	for _, g := range goals {
		r, ok := have[g.id]
		if !ok {
			continue // gone, and forced
		}
		i, ok := index[g.record()]
		if !ok {
			i = len(out)
			index[g.record()] = i
			out = append(out, answer{name: g.name, kind: g.kind, proxied: r.Proxied})
		}
		out[i].want = append(out[i].want, g.want)
		if !sameContent(g.from, g.want) {
			out[i].gone = append(out[i].gone, g.from)
		}
	}
	for i := range out {
		// an address that another record of the name still holds is not gone
		out[i].gone = slices.DeleteFunc(out[i].gone, func(content string) bool {
			return slices.ContainsFunc(records, func(r Record) bool {
				return r.Name == out[i].name && r.Type == out[i].kind && sameContent(r.Content, content)
			})
		})
	}
	return out
}

// await asks every server for every answer until all are right, Within has
// passed or ctx ends.
func (p Propagation) await(ctx context.Context, zone Zone, answers []answer) error {
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
	// a round begun in time may end, but many names at a dead server must not take hours
	round, cancel := context.WithTimeout(ctx, within+queryTimeout)
	defer cancel()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		wrong := ask(round, servers, answers)
		report.Show(ctx, report.Progress{Done: int64(len(answers) - len(wrong)), Total: int64(len(answers)), Unit: "names", What: "name servers of " + zone.Name})
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for the name servers of %s: %w", zone.Name, err)
		}
		if len(wrong) == 0 {
			return nil
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
			return fmt.Errorf("wait for the name servers of %s: %w", zone.Name, ctx.Err())
		case <-deadline.C:
		}
		return report.WithHint(fmt.Errorf("%s: %d of %d names not yet as wanted: %w", zone.Name, len(wrong), len(answers), firstOf(wrong)),
			"the API has the change, the name servers (%s) do not answer it: see their status, then run the same command again", strings.Join(servers, ", "))
	}
}

func firstOf(wrong []error) error {
	const most = 3
	if len(wrong) > most {
		return errors.Join(append(slices.Clone(wrong[:most]), fmt.Errorf("and %d more", len(wrong)-most))...)
	}
	return errors.Join(wrong...)
}

// servers are the addresses to ask.
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
		// all of its IPv4 addresses; IPv6, which not every operator's network has, where there are no others
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

// ask makes one round and returns what is wrong, one error a name, in order.
func ask(ctx context.Context, servers []string, answers []answer) []error {
	errs := make([]error, len(answers))
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(queriesAtOnce)
	for i, a := range answers {
		for _, server := range servers {
			group.Go(func() error {
				err := a.ask(ctx, server)
				mu.Lock()
				defer mu.Unlock()
				if errs[i] == nil {
					errs[i] = err
				}
				return nil // all are asked: the operator sees how many are wrong
			})
		}
	}
	_ = group.Wait() // errors are in errs
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

func (a answer) ask(ctx context.Context, server string) error {
	kinds := []string{a.kind}
	if a.proxied { // the edge may answer with the other family only
		kinds = []string{"A", "AAAA"}
	}
	var got []string
	for _, kind := range kinds {
		resp, err := query(ctx, server, queryName(a.name), kind)
		if err != nil {
			return fmt.Errorf("ask %s for %s: %w", server, a, err)
		}
		for _, rr := range resp.Answer {
			content, ok := addressOf(rr)
			if !ok {
				continue
			}
			got = append(got, content)
			if ttl := int(rr.Header().Ttl); ttl > a.maxTTL && a.limits(content) && resp.Authoritative {
				return fmt.Errorf("%s answers %s with TTL %d, above %d", server, a, ttl, a.maxTTL)
			}
		}
		if a.proxied && len(got) > 0 {
			return nil
		}
	}
	return a.compare(server, got)
}

// limits reports whether the answer's TTL limit holds for a record with this
// content: others of the same name keep theirs.
func (a answer) limits(content string) bool {
	return a.maxTTL > 0 && !a.proxied && slices.ContainsFunc(a.want, func(w string) bool { return sameContent(w, content) })
}

func (a answer) compare(server string, got []string) error {
	said := orNone(strings.Join(got, ", "))
	if a.proxied {
		return fmt.Errorf("%s answers nothing for %s, which is proxied", server, a)
	}
	for _, w := range a.want {
		if !slices.ContainsFunc(got, func(g string) bool { return sameContent(g, w) }) {
			return fmt.Errorf("%s answers %s for %s, not %s", server, said, a, w)
		}
	}
	for _, g := range a.gone {
		if slices.ContainsFunc(got, func(x string) bool { return sameContent(x, g) }) {
			return fmt.Errorf("%s still answers %s for %s", server, g, a)
		}
	}
	return nil
}

// queryName is a name to ask for; a wildcard is asked for a name below it that
// nobody has.
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
