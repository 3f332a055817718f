package dosim

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Statuses of a droplet.
const (
	statusNew    = "new"
	statusActive = "active"
	statusOff    = "off"
)

type droplet struct {
	id       int
	name     string
	region   *Region
	size     *Size
	image    *Image
	status   string
	created  time.Time
	tags     []string
	vpc      *vpc
	userData string
	keys     []string
	features []string

	public, private netip.Addr // allotted at once, shown when hosted
	hosted          bool       // Boot has succeeded, Destroy was not called
	pending         *action    // the action in progress

	enforcing  sync.Mutex // held across the Booter's calls; taken before Sim.mu
	applied    Rules      // what the Booter has put in force last
	enforceErr error      // why that went wrong
}

// machine describes d to its Booter.
func (d *droplet) machine() Machine {
	return Machine{
		ID: d.id, Name: d.name, Region: d.region.Slug, Image: d.image.Slug, Size: *d.size, VPC: d.vpc.ID,
		UserData: d.userData, SSHPublicKeys: slices.Clone(d.keys), Tags: slices.Clone(d.tags),
		PublicV4: d.public, PrivateV4: d.private,
		PublicPrefix: d.vpc.publicPool, PrivatePrefix: d.vpc.privatePool,
		PublicGateway: d.vpc.publicPool.Addr().Next(), PrivateGateway: d.vpc.privatePool.Addr().Next(),
	}
}

type networkV4 struct {
	IPAddress string `json:"ip_address"`
	Netmask   string `json:"netmask"`
	Gateway   string `json:"gateway"`
	Type      string `json:"type"`
}

// dropletView is a droplet as the API shows it.
type dropletView struct {
	ID               int      `json:"id"`
	Name             string   `json:"name"`
	Memory           int      `json:"memory"`
	VCPUs            int      `json:"vcpus"`
	Disk             int      `json:"disk"`
	Locked           bool     `json:"locked"`
	Status           string   `json:"status"`
	CreatedAt        string   `json:"created_at"`
	Features         []string `json:"features"`
	BackupIDs        []int    `json:"backup_ids"`
	NextBackupWindow any      `json:"next_backup_window"`
	SnapshotIDs      []int    `json:"snapshot_ids"`
	VolumeIDs        []string `json:"volume_ids"`
	Image            *Image   `json:"image"`
	Size             *Size    `json:"size"`
	SizeSlug         string   `json:"size_slug"`
	Networks         struct {
		V4 []networkV4 `json:"v4"`
		V6 []any       `json:"v6"`
	} `json:"networks"`
	Region  *Region  `json:"region"`
	Tags    []string `json:"tags"`
	VPCUUID string   `json:"vpc_uuid"`
}

func (d *droplet) view() dropletView {
	v := dropletView{
		ID: d.id, Name: d.name, Memory: d.size.Memory, VCPUs: d.size.VCPUs, Disk: d.size.Disk,
		Locked: d.pending != nil, Status: d.status, CreatedAt: stamp(d.created), Features: d.features,
		BackupIDs: []int{}, SnapshotIDs: []int{}, VolumeIDs: []string{},
		Image: d.image, Size: d.size, SizeSlug: d.size.Slug, Region: d.region,
		Tags: append([]string{}, d.tags...), VPCUUID: d.vpc.ID,
	}
	v.Networks.V4, v.Networks.V6 = []networkV4{}, []any{}
	if d.status != statusNew {
		v.Networks.V4 = []networkV4{
			networkOf(d.public, d.vpc.publicPool, "public"),
			networkOf(d.private, d.vpc.privatePool, "private"),
		}
	}
	return v
}

func networkOf(addr netip.Addr, pool netip.Prefix, kind string) networkV4 {
	mask := uint32(0xffffffff) << (32 - pool.Bits())
	netmask := netip.AddrFrom4([4]byte{byte(mask >> 24), byte(mask >> 16), byte(mask >> 8), byte(mask)})
	return networkV4{addr.String(), netmask.String(), pool.Masked().Addr().Next().String(), kind}
}

// stamp formats a time as the API does.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// allot returns the first free address of pool from its .11 on.
func allot(pool netip.Prefix, taken func(netip.Addr) bool) (netip.Addr, bool) {
	addr := pool.Masked().Addr()
	for range 11 {
		addr = addr.Next()
	}
	for ; pool.Contains(addr.Next()); addr = addr.Next() { // the last one is for broadcast
		if !taken(addr) {
			return addr, true
		}
	}
	return netip.Addr{}, false
}

// addressTaken reports whether a machine, even one being destroyed, has addr.
func (s *Sim) addressTaken(addr netip.Addr) bool {
	for _, all := range []map[int]*droplet{s.droplets, s.leaving} {
		for _, d := range all {
			if d.public == addr || d.private == addr {
				return true
			}
		}
	}
	return false
}
