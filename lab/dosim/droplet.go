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
	region   *region
	size     *Size
	image    *image
	status   string
	created  time.Time
	tags     []string
	vpc      *vpc
	userData string
	keys     []string
	features []string

	disk      int   // GiB; a resize may leave it
	snapshots []int // ids of images
	backups   []int // ids of images
	policy    any   // of backups, as the client gave it
	volumes   []string
	lost      bool          // it came up without an address: see BootWithoutAddress
	hanging   bool          // its boot hangs: it can be deleted nevertheless
	deleted   chan struct{} // closed by its deletion

	// Allocated at creation, shown when active. public is invalid without public
	// networking, publicV6 without ipv6.
	public, private, publicV6 netip.Addr
	hasHost                   bool    // Boot has succeeded, and the droplet is not deleted
	pending                   *action // the action in progress, or nil

	booterLock    sync.Mutex // held during calls of the Booter; lock it before Sim.mu
	enforcedRules Rules      // the rules that the Booter enforced last
	enforceErr    error      // the error of the last attempt to enforce rules
}

// machine describes d to its Booter.
func (d *droplet) machine() Machine {
	return Machine{
		ID: d.id, Name: d.name, Region: d.region.Slug, Image: string(d.image.Slug), Size: *d.size, VPC: d.vpc.ID,
		UserData: d.userData, SSHPublicKeys: slices.Clone(d.keys), Tags: slices.Clone(d.tags),
		PublicV4: d.public, PrivateV4: d.private, PublicV6: d.publicV6,
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

type networkV6 struct {
	IPAddress string `json:"ip_address"`
	Netmask   int    `json:"netmask"`
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
	Image            *image   `json:"image"`
	Size             *Size    `json:"size"`
	SizeSlug         string   `json:"size_slug"`
	Networks         struct {
		V4 []networkV4 `json:"v4"`
		V6 []networkV6 `json:"v6"`
	} `json:"networks"`
	Region  *region  `json:"region"`
	Tags    []string `json:"tags"`
	VPCUUID string   `json:"vpc_uuid"`
}

func (d *droplet) view() dropletView {
	v := dropletView{
		ID: d.id, Name: d.name, Memory: d.size.Memory, VCPUs: d.size.VCPUs, Disk: d.disk,
		Locked: d.pending != nil, Status: d.status, CreatedAt: timestamp(d.created), Features: d.features,
		BackupIDs: append([]int{}, d.backups...), SnapshotIDs: append([]int{}, d.snapshots...), VolumeIDs: append([]string{}, d.volumes...),
		Image: d.image, Size: d.size, SizeSlug: d.size.Slug, Region: d.region,
		Tags: append([]string{}, d.tags...), VPCUUID: d.vpc.ID,
	}
	if slices.Contains(d.features, "backups") {
		start := d.created.UTC().Truncate(24 * time.Hour).Add(7 * 24 * time.Hour)
		v.NextBackupWindow = map[string]string{"start": timestamp(start), "end": timestamp(start.Add(4 * time.Hour))}
	}
	v.Networks.V4, v.Networks.V6 = []networkV4{}, []networkV6{}
	if d.status == statusNew || d.lost {
		return v
	}
	if d.public.IsValid() {
		v.Networks.V4 = append(v.Networks.V4, networkOf(d.public, d.vpc.publicPool, "public"))
	}
	v.Networks.V4 = append(v.Networks.V4, networkOf(d.private, d.vpc.privatePool, "private"))
	if d.publicV6.IsValid() {
		gateway := publicV6.Masked().Addr().Next()
		v.Networks.V6 = append(v.Networks.V6, networkV6{d.publicV6.String(), publicV6.Bits(), gateway.String(), "public"})
	}
	return v
}

func networkOf(addr netip.Addr, pool netip.Prefix, kind string) networkV4 {
	mask := uint32(0xffffffff) << (32 - pool.Bits())
	netmask := netip.AddrFrom4([4]byte{byte(mask >> 24), byte(mask >> 16), byte(mask >> 8), byte(mask)})
	return networkV4{addr.String(), netmask.String(), pool.Masked().Addr().Next().String(), kind}
}

// publicV6 is the network of public IPv6 addresses. The lab does not route it.
var publicV6 = netip.MustParsePrefix("2001:db8:d0::/64")

// addresses returns the droplet's addresses as prefixes.
func (d *droplet) addresses() []netip.Prefix {
	var out []netip.Prefix
	for _, a := range []netip.Addr{d.public, d.private, d.publicV6} {
		if a.IsValid() {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return out
}

// timestamp formats a time as the API does.
func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// allocate returns the first free address of pool at or above its .11.
func allocate(pool netip.Prefix, inUse func(netip.Addr) bool) (netip.Addr, bool) {
	addr := pool.Masked().Addr()
	for range 11 {
		addr = addr.Next()
	}
	for ; pool.Contains(addr.Next()); addr = addr.Next() { // the last address is for broadcast
		if !inUse(addr) {
			return addr, true
		}
	}
	return netip.Addr{}, false
}

// addressInUse reports whether a droplet, even one that is being destroyed, has addr.
func (s *Sim) addressInUse(addr netip.Addr) bool {
	for _, all := range []map[int]*droplet{s.droplets, s.destroying} {
		for _, d := range all {
			if d.public == addr || d.private == addr || d.publicV6 == addr {
				return true
			}
		}
	}
	return false
}
