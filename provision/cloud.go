package provision

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// Cloud is the part of the vendor's API that this package needs. Lists are complete
// (all pages). An error that another try may cure is a report.TransientError.
// Deleting what does not exist is no error.
type Cloud interface {
	Droplets
	Catalog
	Networks
	Firewalls
	Keys
	Tags
	Volumes
	ReservedIPs
}

// ReservedIPs makes public addresses that outlive droplets.
type ReservedIPs interface {
	ReservedIPs(ctx context.Context) ([]ReservedIP, error)
	CreateReservedIP(ctx context.Context, droplet int) error
	DeleteReservedIP(ctx context.Context, a netip.Addr) error
}

// Volumes makes disks besides those of the droplets. Their names are unique in a region.
type Volumes interface {
	Volumes(ctx context.Context, region string) ([]Volume, error)
	CreateVolume(ctx context.Context, v Volume) error
	// DeleteVolume fails with ErrInUse while a droplet has the volume.
	DeleteVolume(ctx context.Context, id string) error
}

// Droplets makes virtual hosts.
type Droplets interface {
	// DropletsTagged lists the droplets with a tag.
	DropletsTagged(ctx context.Context, tag string) ([]Droplet, error)
	// AllDroplets lists the account's droplets.
	AllDroplets(ctx context.Context) ([]Droplet, error)
	// CreateFailed reports whether the vendor has given up making a droplet.
	CreateFailed(ctx context.Context, id int) (bool, error)
	// CreateDroplets asks for one droplet per name, in one call, and returns them. It
	// takes 1 to 10 names. It is not idempotent: after an error only the lists say
	// whether the droplets were made, unless the error wraps ErrNothingMade.
	CreateDroplets(ctx context.Context, r DropletRequest) ([]Droplet, error)
	DeleteDroplet(ctx context.Context, id int) error
}

// Catalog is what the account may order.
type Catalog interface {
	Sizes(ctx context.Context) ([]Size, error)
	// Image returns the image with a slug or a number, or false when there is none.
	Image(ctx context.Context, slug string) (Image, bool, error)
	// Account returns the account that the token belongs to. A locked one is an error.
	Account(ctx context.Context) (Account, error)
}

// Networks makes VPCs. Their names are unique in the account.
type Networks interface {
	VPCs(ctx context.Context) ([]VPC, error)
	CreateVPC(ctx context.Context, v VPC) error
	// SetDefaultVPC makes a VPC the default of its region, in place of the present one.
	SetDefaultVPC(ctx context.Context, id string) error
	// DeleteVPC fails with ErrInUse while the VPC still has members.
	DeleteVPC(ctx context.Context, id string) error
}

// Firewalls makes firewalls. Their names are unique in the account.
type Firewalls interface {
	Firewalls(ctx context.Context) ([]Firewall, error)
	CreateFirewall(ctx context.Context, f Firewall) error
	UpdateFirewall(ctx context.Context, f Firewall) error
	DeleteFirewall(ctx context.Context, id string) error
}

// Keys changes the account's SSH keys. Their fingerprints are unique.
type Keys interface {
	// SSHKeyByFingerprint returns the key, or false when the account has none.
	SSHKeyByFingerprint(ctx context.Context, fingerprint string) (SSHKey, bool, error)
	CreateSSHKey(ctx context.Context, name, publicKey string) error
	DeleteSSHKey(ctx context.Context, id int) error
}

// Tags makes tags. A tag must exist before a firewall names it.
type Tags interface {
	ListTags(ctx context.Context) ([]string, error)
	CreateTag(ctx context.Context, name string) error
	DeleteTag(ctx context.Context, name string) error
}

// ErrNothingMade is wrapped by an error of the vendor that refuses a request as a whole.
var ErrNothingMade = errors.New("nothing was made")

// Limits of the vendor's API.
const (
	// maxDropletNames is how many droplets one call can create.
	maxDropletNames = 10
	// maxUserData is the largest user-data, in bytes.
	maxUserData = 64 << 10
)

// statusActive is the status of a running droplet.
const statusActive = "active"

// Droplet is a virtual machine. An address is invalid until the vendor assigns it.
type Droplet struct {
	ID              int
	Name            string
	Status          string // new, active, off, archive
	Size            string
	VPC             string
	Tags            []string
	Created         time.Time // by the vendor's clock
	Public, Private netip.Addr
	PublicV6        netip.Addr // invalid without IPv6
}

// DropletRequest asks for droplets that differ in nothing but their name.
type DropletRequest struct {
	Names               []string
	Region, Size, Image string
	VPC                 string
	Tags                []string
	KeyFingerprint      string
	Volumes             []string // ids; only for a single name
	IPv6                bool
	UserData            string // holds a private key: never logged
}

// Size is a size of droplets that the vendor sells.
type Size struct {
	Slug         string
	CPUs         int
	MemoryMiB    int
	DiskGiB      int
	MonthlyPrice float64 // US dollars
	Regions      []string
	Available    bool
}

// Account is the account that a token belongs to.
type Account struct {
	ID           string // of the team, where the vendor names one
	DropletLimit int    // how many droplets it may have
	// ReservedIPLimit is how many reserved IPs it may have.
	ReservedIPLimit int
}

// Image is what a droplet's disk starts as.
type Image struct {
	Regions    []string
	MinDiskGiB int
}

// VPC is a private network.
type VPC struct {
	ID, Name, Region, Description string
	Range                         netip.Prefix // invalid: the vendor chooses
	Default                       bool         // of its region: it cannot be deleted
}

// SSHKey is a public key of the account.
type SSHKey struct {
	ID                int
	Name, Fingerprint string
}

// Firewall allows the traffic that its rules name, to and from the droplets with its
// tags. Everything else is refused.
type Firewall struct {
	ID       string   `json:"id,omitempty"`
	Name     string   `json:"name"`
	Status   string   `json:"-"` // waiting, succeeded, failed
	Tags     []string `json:"tags"`
	Inbound  []Rule   `json:"inbound"`
	Outbound []Rule   `json:"outbound"`
}

// Rule allows a protocol's ports from (inbound) or to (outbound) peers.
type Rule struct {
	Protocol  string   `json:"protocol"` // tcp, udp, icmp
	Ports     string   `json:"ports"`    // "80", "8000-9000", or "0" for all
	Addresses []string `json:"addresses,omitempty"`
	Tags      []string `json:"tags,omitempty"`
}

// allPorts is how the vendor writes every port of a protocol.
const allPorts = "0"
