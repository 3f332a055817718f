package provision

import (
	"context"
	"net/netip"
)

// Cloud is the vendor's API, as far as this package needs it. Lists are
// complete (all pages). Errors that are worth another try are report.Transient;
// deleting what is not there is no error.
type Cloud interface {
	Droplets
	Catalog
	Networks
	Firewalls
	Keys
	Tags
}

// Droplets makes virtual machines.
type Droplets interface {
	// DropletsTagged lists the droplets with a tag.
	DropletsTagged(ctx context.Context, tag string) ([]Droplet, error)
	// DropletsNamed lists the account's droplets with exactly this name.
	DropletsNamed(ctx context.Context, name string) ([]Droplet, error)
	// CreateDroplets asks for one droplet a name in one call (1 to
	// MaxDropletNames). It has no idempotency: after an error only the lists
	// know whether it was done.
	CreateDroplets(ctx context.Context, r DropletRequest) error
	DeleteDroplet(ctx context.Context, id int) error
}

// Catalog is what the account may order.
type Catalog interface {
	Sizes(ctx context.Context) ([]Size, error)
	// DropletLimit is how many droplets the account may have, and has.
	DropletLimit(ctx context.Context) (limit, used int, err error)
}

// Networks makes VPCs. Their names are unique in the account.
type Networks interface {
	VPCs(ctx context.Context) ([]VPC, error)
	CreateVPC(ctx context.Context, v VPC) error
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

// Keys holds the account's SSH keys. Their fingerprints are unique.
type Keys interface {
	// SSHKeyByFingerprint returns the key, or false when the account has none.
	SSHKeyByFingerprint(ctx context.Context, fingerprint string) (SSHKey, bool, error)
	CreateSSHKey(ctx context.Context, name, publicKey string) error
	DeleteSSHKey(ctx context.Context, id int) error
}

// Tags must exist before a firewall names them.
type Tags interface {
	ListTags(ctx context.Context) ([]string, error)
	CreateTag(ctx context.Context, name string) error
	DeleteTag(ctx context.Context, name string) error
}

// Limits of the vendor's API.
const (
	// MaxDropletNames is how many droplets one call can create.
	MaxDropletNames = 10
	// MaxUserData is the size of user-data in bytes.
	MaxUserData = 64 << 10
)

// StatusActive is the status of a droplet that runs.
const StatusActive = "active"

// Droplet is a virtual machine. Its addresses are invalid until it has them.
type Droplet struct {
	ID              int
	Name            string
	Status          string // new, active, off, archive
	Size            string
	VPC             string
	Tags            []string
	Public, Private netip.Addr
}

// DropletRequest asks for droplets that differ in nothing but their name.
type DropletRequest struct {
	Names               []string
	Region, Size, Image string
	VPC                 string
	Tags                []string
	KeyFingerprint      string
	UserData            string // holds a private key: never logged
}

// Size is a kind of droplet.
type Size struct {
	Slug         string
	CPUs         int
	MemoryMiB    int
	DiskGiB      int
	MonthlyPrice float64 // US dollars
	Regions      []string
	Available    bool
}

// VPC is a private network.
type VPC struct {
	ID, Name, Region, Description string
	Range                         netip.Prefix // invalid: chosen by the vendor
}

// SSHKey is a public key of the account.
type SSHKey struct {
	ID                int
	Name, Fingerprint string
}

// Firewall allows what its rules name, to and from the droplets with its tags.
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
	Ports     string   `json:"ports"`    // "80", "8000-9000", or AllPorts
	Addresses []string `json:"addresses,omitempty"`
	Tags      []string `json:"tags,omitempty"`
}

// AllPorts is every port of a protocol, as the vendor writes it.
const AllPorts = "0"
