package dosim

import (
	"net/http"
	"net/netip"
)

// reservedIP is recorded only; the lab's network does not route it to a host.
type reservedIP struct {
	addr    netip.Addr
	region  *region
	droplet *droplet
	project string
}

// view is a reserved IP as the API shows it.
func (ip *reservedIP) view() any {
	v := map[string]any{"ip": ip.addr.String(), "region": ip.region, "droplet": nil, "locked": false, "project_id": ip.project}
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
	return page(r, "reserved_ips", out)
}

func (s *Sim) createReservedIP(r *http.Request) (int, any, error) {
	var in struct {
		DropletID int    `json:"droplet_id"`
		Region    string `json:"region"`
	}
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	ip := &reservedIP{project: newUUID()}
	if in.DropletID != 0 {
		d := s.droplets[in.DropletID]
		if d == nil {
			return 0, nil, unprocessable("droplet %d was not found", in.DropletID)
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
		links["actions"] = []actionLink{s.reservedAction(ip, "assign_ip").link(r, "assign_ip")}
	}
	return http.StatusAccepted, map[string]any{"reserved_ip": ip.view(), "links": links}, nil
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
	return object(http.StatusOK, "reserved_ip", ip.view())
}

func (s *Sim) deleteReservedIP(r *http.Request) (int, any, error) {
	ip, err := s.reservedAt(r)
	if err != nil {
		return 0, nil, err
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
		DropletID int    `json:"droplet_id"`
	}
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	switch in.Type {
	case "assign":
		d := s.droplets[in.DropletID]
		switch {
		case d == nil:
			return 0, nil, unprocessable("droplet %d was not found", in.DropletID)
		case d.region != ip.region:
			return 0, nil, unprocessable("The Droplet is in another region than the reserved IP.")
		case s.reservedOf(d) != nil && s.reservedOf(d) != ip:
			return 0, nil, unprocessable("The Droplet already has a reserved IP.")
		}
		ip.droplet = d
		return object(http.StatusCreated, "action", s.reservedAction(ip, "assign_ip"))
	case "unassign":
		if ip.droplet == nil {
			return 0, nil, unprocessable("The reserved IP is not assigned to a Droplet.")
		}
		ip.droplet = nil
		return object(http.StatusCreated, "action", s.reservedAction(ip, "unassign_ip"))
	}
	return 0, nil, unprocessable("The action %q is not available for this reserved IP.", in.Type)
}

// reservedAction records an action that is already completed.
func (s *Sim) reservedAction(ip *reservedIP, kind string) *action {
	now := timestamp(s.options.Now())
	octets := ip.addr.As4()
	a := &action{
		ID: s.nextID(), Status: actionCompleted, Type: kind, StartedAt: now, CompletedAt: &now,
		ResourceID:   int(octets[0])<<24 | int(octets[1])<<16 | int(octets[2])<<8 | int(octets[3]),
		ResourceType: "reserved_ip", Region: ip.region, RegionSlug: ip.region.Slug, reserved: ip.addr.String(),
	}
	s.actions[a.ID] = a
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
