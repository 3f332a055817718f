package cfsim

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/miekg/dns"
)

// TTLs that the DNS server answers with, in seconds.
const (
	automaticTTL = 300 // of records with TTL 1, and of proxied ones
	negativeTTL  = 1800
	soaTTL       = 1800
	apexNSTTL    = 86400
)

// DNSOptions configure a DNSServer.
type DNSOptions struct {
	// Edge holds the addresses that the server returns for proxied names.
	Edge []netip.Addr
}

// DNSServer is a running authoritative DNS server for all zones of a Sim, over UDP and
// TCP on one port.
type DNSServer struct {
	sim     *Sim
	edge    []netip.Addr
	addr    string
	servers []*dns.Server
	done    chan error
}

// ServeDNS starts a DNS server on a loopback or lab address; port 0 means any free port.
// Close it after use.
func (s *Sim) ServeDNS(addr string, opts DNSOptions) (*DNSServer, error) {
	if err := checkListenAddress(addr); err != nil {
		return nil, fmt.Errorf("serve DNS: %w", err)
	}
	tcp, udp, err := listenBoth(addr)
	if err != nil {
		return nil, fmt.Errorf("serve DNS: %w", err)
	}
	d := &DNSServer{sim: s, edge: opts.Edge, addr: tcp.Addr().String(), done: make(chan error, 2)}
	started := make(chan struct{}, 2)
	for _, server := range []*dns.Server{{Listener: tcp}, {PacketConn: udp}} {
		server.Handler = d
		server.NotifyStartedFunc = func() { started <- struct{}{} }
		d.servers = append(d.servers, server)
		go func() { d.done <- server.ActivateAndServe() }()
	}
	for range d.servers {
		select {
		case <-started:
		case err := <-d.done:
			return nil, errors.Join(fmt.Errorf("serve DNS: %w", err), tcp.Close(), udp.Close())
		}
	}
	return d, nil
}

// listenBoth listens on the same port over TCP and UDP. For port 0 the TCP socket
// chooses; if that port is in use over UDP, it chooses again.
func listenBoth(addr string) (net.Listener, net.PacketConn, error) {
	const tries = 16
	var failed error
	for range tries {
		tcp, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, nil, err
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err == nil {
			return tcp, udp, nil
		}
		failed = errors.Join(err, tcp.Close())
		if ap, _ := netip.ParseAddrPort(addr); ap.Port() != 0 {
			break
		}
	}
	return nil, nil, failed
}

// Addr returns the address that the server listens on, over UDP and TCP.
func (d *DNSServer) Addr() string { return d.addr }

// Close stops the server.
func (d *DNSServer) Close() error {
	var err error
	for _, server := range d.servers {
		err = errors.Join(err, server.Shutdown())
	}
	for range d.servers {
		err = errors.Join(err, <-d.done)
	}
	return err
}

// ServeDNS answers one query.
func (d *DNSServer) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg)
	reply.SetReply(query)
	opt := query.IsEdns0()
	size := dns.MinMsgSize
	if opt != nil {
		size = max(size, int(opt.UDPSize()))
		reply.SetEdns0(1232, false)
	}
	switch {
	case query.Opcode != dns.OpcodeQuery:
		reply.Rcode = dns.RcodeNotImplemented
	case len(query.Question) != 1:
		reply.Rcode = dns.RcodeFormatError
	case opt != nil && opt.Version() != 0:
		reply.Rcode = dns.RcodeBadVers
	case query.Question[0].Qclass != dns.ClassINET:
		reply.Rcode = dns.RcodeRefused
	default:
		d.answer(reply, query.Question[0])
	}
	if _, ok := w.RemoteAddr().(*net.UDPAddr); ok {
		reply.Truncate(size)
	} else {
		reply.Truncate(dns.MaxMsgSize)
	}
	_ = w.WriteMsg(reply) // after a lost answer the client asks again
}

// answer fills the reply to a question about one of the zones.
func (d *DNSServer) answer(reply *dns.Msg, q dns.Question) {
	now := d.sim.options.Now()
	d.sim.mu.RLock()
	defer d.sim.mu.RUnlock()
	owner := q.Name // in the client's spelling
	for range maxChain {
		name := lowerHost(owner)
		z := d.sim.zoneOf(name)
		if z == nil {
			if len(reply.Answer) == 0 {
				reply.Rcode = dns.RcodeRefused
			}
			return
		}
		reply.Authoritative = true
		next, err := d.answerName(reply, z, owner, name, q.Qtype, now)
		if err != nil {
			reply.Rcode = dns.RcodeServerFailure
			return
		}
		if next == "" {
			return
		}
		owner = next
	}
	reply.Rcode = dns.RcodeServerFailure // the chain is too long
}

// answerName answers for one name, and returns the target of its CNAME, or "".
func (d *DNSServer) answerName(reply *dns.Msg, z *zone, owner, name string, kind uint16, now time.Time) (next string, err error) {
	if z.addReferral(reply, name, kind, now) {
		return "", nil
	}
	records, exists := z.find(name, now)
	if !exists {
		reply.Rcode = dns.RcodeNameError
		reply.Ns = append(reply.Ns, z.soa(soaTTL))
		return "", nil
	}
	if kind == dns.TypeANY { // RFC 8482
		header := dns.RR_Header{Name: owner, Rrtype: dns.TypeHINFO, Class: dns.ClassINET, Ttl: 3789}
		reply.Answer = append(reply.Answer, &dns.HINFO{Hdr: header, Cpu: "RFC8482"})
		return "", nil
	}
	before := len(reply.Answer)
	switch cname := ofType(records, "CNAME"); {
	case anyProxied(records) && (kind == dns.TypeA || kind == dns.TypeAAAA):
		reply.Answer = append(reply.Answer, d.edgeRecords(owner, kind)...)
	case name == z.name && (kind == dns.TypeSOA || kind == dns.TypeNS):
		reply.Answer = append(reply.Answer, z.apexRecords(owner, kind)...)
	case len(cname) > 0 && !cname[0].Proxied && (name == z.name || isFlattened(cname[0])) && (kind == dns.TypeA || kind == dns.TypeAAAA):
		rrs, err := d.flatten(records, owner, kind, ttlOf(cname[0]), now)
		if err != nil {
			return "", err
		}
		reply.Answer = append(reply.Answer, rrs...)
	case len(cname) > 0 && !cname[0].Proxied && name != z.name && !isFlattened(cname[0]) && !hasType(records, kind):
		rr, err := cname[0].resourceRecord(owner, ttlOf(cname[0]))
		if err != nil {
			return "", err
		}
		reply.Answer = append(reply.Answer, rr)
		return dns.Fqdn(cname[0].Content), nil
	default:
		for _, r := range visibleRecords(records, kind, name == z.name) {
			rr, err := r.resourceRecord(owner, ttlOf(r))
			if err != nil {
				return "", err
			}
			reply.Answer = append(reply.Answer, rr)
		}
	}
	if len(reply.Answer) == before {
		reply.Ns = append(reply.Ns, z.soa(soaTTL))
	}
	return "", nil
}

// visibleRecords returns the records of a type without the hidden ones: proxied records
// and flattened CNAMEs.
func visibleRecords(records []*Record, kind uint16, apex bool) []*Record {
	var out []*Record
	for _, r := range ofType(records, dns.TypeToString[kind]) {
		if r.Proxied || r.Type == "CNAME" && (apex || isFlattened(r)) {
			continue
		}
		out = append(out, r)
	}
	return out
}

func hasType(records []*Record, kind uint16) bool {
	return len(ofType(records, dns.TypeToString[kind])) > 0
}

func isFlattened(cname *Record) bool {
	on, _ := cname.Settings["flatten_cname"].(bool)
	return on
}

func ttlOf(r *Record) uint32 {
	if r.TTL == 1 {
		return automaticTTL
	}
	return uint32(r.TTL)
}

// edgeRecords returns the edge's addresses of one family.
func (d *DNSServer) edgeRecords(owner string, kind uint16) []dns.RR {
	var out []dns.RR
	for _, addr := range d.edge {
		out = append(out, addressRecord(owner, kind, automaticTTL, addr)...)
	}
	return out
}

// addressRecord returns an A or AAAA record, or none if the address is of the other
// family.
func addressRecord(owner string, kind uint16, ttl uint32, addr netip.Addr) []dns.RR {
	addr = addr.Unmap()
	header := dns.RR_Header{Name: owner, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
	switch {
	case kind == dns.TypeA && addr.Is4():
		return []dns.RR{&dns.A{Hdr: header, A: addr.AsSlice()}}
	case kind == dns.TypeAAAA && addr.Is6():
		return []dns.RR{&dns.AAAA{Hdr: header, AAAA: addr.AsSlice()}}
	default:
		return nil
	}
}

// flatten follows a CNAME and returns its addresses under the CNAME's own name.
func (d *DNSServer) flatten(records []*Record, owner string, kind uint16, ttl uint32, now time.Time) ([]dns.RR, error) {
	for range maxChain {
		if anyProxied(records) {
			return d.edgeRecords(owner, kind), nil
		}
		cname := ofType(records, "CNAME")
		if len(cname) == 0 {
			var out []dns.RR
			for _, addr := range d.sim.addresses(records, now) {
				out = append(out, addressRecord(owner, kind, ttl, addr)...)
			}
			return out, nil
		}
		z := d.sim.zoneOf(cname[0].Content)
		if z == nil {
			return nil, fmt.Errorf("flatten %s: %s is in no zone here", owner, strconv.Quote(cname[0].Content))
		}
		records, _ = z.find(cname[0].Content, now)
	}
	return nil, fmt.Errorf("flatten %s: the chain is too long", owner)
}

// apexRecords returns the zone's own SOA or NS records.
func (z *zone) apexRecords(owner string, kind uint16) []dns.RR {
	if kind == dns.TypeSOA {
		return []dns.RR{z.soa(soaTTL)}
	}
	var out []dns.RR
	for _, ns := range z.nameServers {
		header := dns.RR_Header{Name: owner, Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: apexNSTTL}
		out = append(out, &dns.NS{Hdr: header, Ns: dns.Fqdn(ns)})
	}
	return out
}

// addReferral answers with a referral if the name is at or below a delegation, and
// reports whether it is.
func (z *zone) addReferral(reply *dns.Msg, name string, kind uint16, now time.Time) bool {
	for p := name; p != z.name; p = parent(p) {
		ns := ofType(z.view.recordsAt(p, now), "NS")
		if len(ns) == 0 || kind == dns.TypeDS && p == name {
			continue
		}
		for _, r := range ns {
			if rr, err := r.resourceRecord(dns.Fqdn(p), ttlOf(r)); err == nil {
				reply.Ns = append(reply.Ns, rr)
			}
		}
		reply.Authoritative = len(reply.Answer) > 0
		return true
	}
	return false
}
