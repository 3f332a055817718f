package dosim

import (
	"net/http"
	"net/netip"
	"strings"
)

// reservedIP is recorded only; the lab's network does not route it to a host.
type reservedIP struct {
	addr    netip.Addr
	region  *region
	droplet *droplet
	project string
	pending *action
}

// addressKind is reserved_ip, or floating_ip under the earlier name of the endpoints.
func addressKind(r *http.Request) string {
	if strings.HasPrefix(r.URL.Path, "/v2/floating_ips") {
		return "floating_ip"
	}
	return "reserved_ip"
}

// view is a reserved IP as the API shows it.
func (ip *reservedIP) view() any {
	v := map[string]any{"ip": ip.addr.String(), "region": ip.region, "droplet": nil, "locked": ip.pending != nil, "project_id": ip.project}
	if ip.droplet != nil {
		v["droplet"] = ip.droplet.view()
	}
	return v
}

func (s *Sim) reservedIPs() []*reservedIP {
	var out []*reservedIP
	for addr := s.options.Reserved.Masked().Addr(); s.options.Reserved.Contains(addr); addr = addr.Next() {
		if ip := s.reserved[addr]; ip != nil {
			out = append(out, ip)
		}
	}
	return out
}

func (s *Sim) listReservedIPs(r *http.Request) (int, any, error) {
	var out []any
	for _, ip := range s.reservedIPs() {
		out = append(out, ip.view())
	}
	return page(r, addressKind(r)+"s", out)
}

func (s *Sim) createReservedIP(r *http.Request) (int, any, error) {
	var in struct {
		DropletID number `json:"droplet_id"`
		Region    string `json:"region"`
	}
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	ip := &reservedIP{project: newUUID()}
	if in.DropletID != 0 {
		d := s.droplets[int(in.DropletID)]
		if d == nil {
			return 0, nil, unprocessable("droplet %d was not found", in.DropletID)
		}
		if d.pending != nil {
			return 0, nil, errPending()
		}
		if s.reservedOf(d) != nil {
			return 0, nil, unprocessable("The Droplet already has a reserved IP.")
		}
		ip.droplet, ip.region = d, d.region
	} else if ip.region = s.region(in.Region); ip.region == nil || !ip.region.Available {
		return 0, nil, unprocessable("region is invalid")
	}
	if len(s.reserved) >= s.options.Limits.ReservedIPs {
		return 0, nil, unprocessable("reserved ip limit reached")
	}
	addr, ok := allocate(s.options.Reserved, func(a netip.Addr) bool { return s.reserved[a] != nil })
	if !ok {
		return 0, nil, unprocessable("Region is out of addresses")
	}
	ip.addr = addr
	s.reserved[addr] = ip
	links := map[string]any{"droplets": []actionLink{}, "actions": []actionLink{}}
	if ip.droplet != nil {
		links["actions"] = []actionLink{s.reservedAction(r, ip, ip.droplet, "assign_ip").link(r, "assign_ip")}
	}
	return http.StatusAccepted, map[string]any{addressKind(r): ip.view(), "links": links}, nil
}

func (s *Sim) reservedOf(d *droplet) *reservedIP {
	for _, ip := range s.reserved {
		if ip.droplet == d {
			return ip
		}
	}
	return nil
}

func (s *Sim) reservedAt(r *http.Request) (*reservedIP, error) {
	addr, err := netip.ParseAddr(r.PathValue("ip"))
	if err == nil && s.reserved[addr] != nil {
		return s.reserved[addr], nil
	}
	return nil, notFound()
}

func (s *Sim) getReservedIP(r *http.Request) (int, any, error) {
	ip, err := s.reservedAt(r)
	if err != nil {
		return 0, nil, err
	}
	return object(http.StatusOK, addressKind(r), ip.view())
}

func (s *Sim) deleteReservedIP(r *http.Request) (int, any, error) {
	ip, err := s.reservedAt(r)
	if err != nil {
		return 0, nil, err
	}
	if ip.pending != nil {
		return 0, nil, errAddressPending()
	}
	delete(s.reserved, ip.addr)
	return noContent()
}

func (s *Sim) createReservedIPAction(r *http.Request) (int, any, error) {
	ip, err := s.reservedAt(r)
	if err != nil {
		return 0, nil, err
	}
	var in struct {
		Type      string `json:"type"`
		DropletID number `json:"droplet_id"`
	}
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	switch in.Type {
	case "assign":
		d := s.droplets[int(in.DropletID)]
		switch {
		case d == nil:
			return 0, nil, unprocessable("droplet %d was not found", in.DropletID)
		case d.pending != nil:
			return 0, nil, errPending()
		case ip.pending != nil:
			return 0, nil, errAddressPending()
		case d.region != ip.region:
			return 0, nil, unprocessable("The Droplet is in another region than the reserved IP.")
		case s.reservedOf(d) != nil && s.reservedOf(d) != ip:
			return 0, nil, unprocessable("The Droplet already has a reserved IP.")
		}
		shown := *s.reservedAction(r, ip, d, "assign_ip")
		return object(http.StatusCreated, "action", &shown)
	case "unassign":
		if ip.droplet == nil {
			return 0, nil, unprocessable("The reserved IP is not assigned to a Droplet.")
		}
		if ip.pending != nil {
			return 0, nil, errAddressPending()
		}
		if ip.droplet.pending != nil {
			return 0, nil, errPending()
		}
		shown := *s.reservedAction(r, ip, ip.droplet, "unassign_ip")
		return object(http.StatusCreated, "action", &shown)
	}
	return 0, nil, unprocessable("The action %q is not available for this reserved IP.", in.Type)
}

func errAddressPending() error {
	return unprocessable("The reserved IP already has a pending event.")
}

// reservedAction starts an action, which is pending on the address and on the droplet.
// Only when it ends the address has changed its droplet.
func (s *Sim) reservedAction(r *http.Request, ip *reservedIP, d *droplet, kind string) *action {
	octets := ip.addr.As4()
	a := &action{
		ID: s.nextID(), Status: actionInProgress, Type: kind, StartedAt: timestamp(s.options.Now()),
		ResourceID:   int(octets[0])<<24 | int(octets[1])<<16 | int(octets[2])<<8 | int(octets[3]),
		ResourceType: addressKind(r), Region: ip.region, RegionSlug: ip.region.Slug, reserved: ip.addr.String(),
	}
	s.actions[a.ID] = a
	ip.pending, d.pending = a, a
	s.finishLater(a, d, func() error {
		ip.pending = nil
		if kind == "unassign_ip" {
			ip.droplet = nil
			return nil
		}
		if s.droplets[d.id] == nil {
			return notFound()
		}
		ip.droplet = d
		return nil
	})
	return a
}

func (s *Sim) listReservedIPActions(r *http.Request) (int, any, error) {
	ip, err := s.reservedAt(r)
	if err != nil {
		return 0, nil, err
	}
	return page(r, "actions", s.newestFirst(func(a *action) bool { return a.reserved == ip.addr.String() }))
}

func (s *Sim) getReservedIPAction(r *http.Request) (int, any, error) {
	ip, err := s.reservedAt(r)
	if err != nil {
		return 0, nil, err
	}
	a := s.actions[idOf(r, "action")]
	if a == nil || a.reserved != ip.addr.String() {
		return 0, nil, notFound()
	}
	return object(http.StatusOK, "action", a)
}
