package dosim

import (
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

var vpcNamePattern = regexp.MustCompile(`^[a-zA-Z0-9\-.]+$`)

// vpc has the range that the client asked for. But the lab has one private network, so
// the members' addresses come from Options.Private.
type vpc struct {
	ID          string `json:"id"`
	URN         string `json:"urn"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Region      string `json:"region"`
	IPRange     string `json:"ip_range"`
	Default     bool   `json:"default"`
	CreatedAt   string `json:"created_at"`

	publicPool, privatePool netip.Prefix
}

func (s *Sim) newVPC(name, region string, ipRange netip.Prefix) *vpc {
	id := newUUID()
	v := &vpc{
		ID: id, URN: "do:vpc:" + id, Name: name, Region: region, IPRange: ipRange.String(),
		CreatedAt: timestamp(s.options.Now()), publicPool: s.options.Public, privatePool: s.options.Private,
	}
	v.Default = s.defaultOf(region) == nil
	s.vpcs[id] = v
	return v
}

// defaultOf returns the default VPC of a region, or nil. The first VPC of a region becomes it.
func (s *Sim) defaultOf(region string) *vpc {
	for _, v := range s.vpcs {
		if v.Default && v.Region == region {
			return v
		}
	}
	return nil
}

// defaultVPC returns the region's default VPC, which it makes at the first call.
func (s *Sim) defaultVPC(region string) *vpc {
	if v := s.defaultOf(region); v != nil {
		return v
	}
	return s.newVPC("default-"+region, region, s.freeRange())
}

// freeRange returns a /20 that overlaps no VPC.
func (s *Sim) freeRange() netip.Prefix {
	for i := range 16 * 156 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(100 + i/16), byte(i % 16 * 16), 0}), 20)
		if s.overlappingVPC(p) == nil && !reservedRange(p) {
			return p
		}
	}
	return netip.MustParsePrefix("172.16.0.0/20") // after thousands of VPCs
}

// reservedRange reports whether p meets a range that the vendor keeps for itself.
func reservedRange(p netip.Prefix) bool {
	for _, text := range []string{"10.244.0.0/16", "10.245.0.0/16", "10.246.0.0/24", "10.229.0.0/16"} {
		if netip.MustParsePrefix(text).Overlaps(p) {
			return true
		}
	}
	return false
}

func (s *Sim) overlappingVPC(p netip.Prefix) *vpc {
	for _, v := range s.vpcs {
		if other, err := netip.ParsePrefix(v.IPRange); err == nil && other.Overlaps(p) {
			return v
		}
	}
	return nil
}

func (s *Sim) listVPCs(r *http.Request) (int, any, error) {
	all := sortedValues(s.vpcs)
	slices.SortStableFunc(all, func(a, b *vpc) int { return strings.Compare(a.Name, b.Name) })
	return page(r, "vpcs", all)
}

type vpcChange struct {
	Name        *string `json:"name"`
	Description *string `json:"description"`
	Default     *bool   `json:"default"`
	Region      string  `json:"region"`
	IPRange     string  `json:"ip_range"`
}

func (s *Sim) createVPC(r *http.Request) (int, any, error) {
	var in vpcChange
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	if in.Name == nil {
		return 0, nil, unprocessable("Name can't be blank")
	}
	if err := s.checkVPC(in, nil); err != nil {
		return 0, nil, err
	}
	if region := s.region(in.Region); region == nil || !region.Available {
		return 0, nil, unprocessable("region is invalid")
	}
	ipRange := s.freeRange()
	if in.IPRange != "" {
		p, err := netip.ParsePrefix(in.IPRange)
		if err != nil || p != p.Masked() || !p.Addr().IsPrivate() || p.Bits() < 16 || p.Bits() > 28 {
			return 0, nil, unprocessable("ip_range must be a private network between /28 and /16")
		}
		if reservedRange(p) {
			return 0, nil, unprocessable("This range/size is reserved for DigitalOcean's internal use: choose another ip_range")
		}
		if other := s.overlappingVPC(p); other != nil {
			return 0, nil, unprocessable("This range/size overlaps with another VPC network in your account: %s", other.ID)
		}
		ipRange = p
	}
	v := s.newVPC(*in.Name, in.Region, ipRange)
	if in.Description != nil {
		v.Description = *in.Description
	}
	return object(http.StatusCreated, "vpc", v)
}

// checkVPC refuses bad values. self is the VPC that is changed, nil for a new one.
func (s *Sim) checkVPC(in vpcChange, self *vpc) error {
	if in.Description != nil && len(*in.Description) > 255 {
		return unprocessable("description is too long")
	}
	if in.Name == nil {
		return nil
	}
	if !vpcNamePattern.MatchString(*in.Name) {
		return unprocessable("name may only contain letters, numbers, dashes and periods")
	}
	for _, v := range s.vpcs {
		if v.Name == *in.Name && v != self {
			return unprocessable("a VPC with the same name already exists in your account")
		}
	}
	return nil
}

func (s *Sim) vpcAt(r *http.Request) (*vpc, error) {
	if v := s.vpcs[r.PathValue("id")]; v != nil {
		return v, nil
	}
	return nil, notFound()
}

func (s *Sim) getVPC(r *http.Request) (int, any, error) {
	v, err := s.vpcAt(r)
	if err != nil {
		return 0, nil, err
	}
	return object(http.StatusOK, "vpc", v)
}

// replaceVPC requires a name, and clears a description that is not given.
func (s *Sim) replaceVPC(r *http.Request) (int, any, error) {
	return s.changeVPC(r, func(in *vpcChange) error {
		if in.Name == nil {
			return unprocessable("Name can't be blank")
		}
		if in.Description == nil {
			in.Description = new(string)
		}
		return nil
	})
}

func (s *Sim) patchVPC(r *http.Request) (int, any, error) {
	return s.changeVPC(r, func(*vpcChange) error { return nil })
}

func (s *Sim) changeVPC(r *http.Request, complete func(*vpcChange) error) (int, any, error) {
	v, err := s.vpcAt(r)
	if err != nil {
		return 0, nil, err
	}
	var in vpcChange
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	if err := complete(&in); err != nil {
		return 0, nil, err
	}
	if err := s.checkVPC(in, v); err != nil {
		return 0, nil, err
	}
	if in.Default != nil && !*in.Default && v.Default {
		return 0, nil, forbidden("Can not unset default VPCs")
	}
	if in.Name != nil {
		v.Name = *in.Name
	}
	if in.Description != nil {
		v.Description = *in.Description
	}
	if in.Default != nil && *in.Default {
		for _, other := range s.vpcs {
			if other.Region == v.Region {
				other.Default = false
			}
		}
		v.Default = true
	}
	return object(http.StatusOK, "vpc", v)
}

func (s *Sim) deleteVPC(r *http.Request) (int, any, error) {
	v, err := s.vpcAt(r)
	if err != nil {
		return 0, nil, err
	}
	if len(s.members(v)) > 0 {
		return 0, nil, forbidden("Can not delete VPC with members")
	}
	if v.Default {
		return 0, nil, forbidden("Can not delete default VPCs")
	}
	delete(s.vpcs, v.ID)
	return noContent()
}

// members returns the VPC's droplets, including those that are being destroyed.
func (s *Sim) members(v *vpc) []*droplet {
	var out []*droplet
	for _, all := range []map[int]*droplet{s.droplets, s.destroying} {
		for _, d := range sortedValues(all) {
			if d.vpc == v {
				out = append(out, d)
			}
		}
	}
	return out
}

func (s *Sim) listVPCMembers(r *http.Request) (int, any, error) {
	v, err := s.vpcAt(r)
	if err != nil {
		return 0, nil, err
	}
	kind := r.URL.Query().Get("resource_type")
	out := []map[string]string{}
	for _, d := range s.members(v) {
		if kind == "" || kind == "droplet" {
			out = append(out, map[string]string{"urn": d.urn(), "name": d.name, "created_at": timestamp(d.created)})
		}
	}
	return page(r, "members", out)
}
