// Package config turns migration.yaml into a typed, validated Config, and writes
// the file to start from. It needs to be told which ways to cut over there are.
// It promises that what it returns is complete and consistent, and that every
// error names the file and line. It is the only reader of configuration files and
// of the environment.
package config

import (
	"time"

	"github.com/dcmigrate/migrate/secret"
)

// Config is one migration. Every path is absolute once loaded (relative paths
// are relative to the file's folder; ~ is the operator's home).
type Config struct {
	File string `yaml:"-"` // where it was read from
	// Digest is the hash of the effective configuration without secrets. A reviewed
	// plan is bound to it.
	Digest string `yaml:"-"`

	lines lines // of each setting in File

	Site     string `yaml:"site"`      // [a-z0-9-]{1,32}; names droplets, tags, the journal
	ID       string `yaml:"id"`        // unique per migration; tags everything created at vendors
	StateDir string `yaml:"state_dir"` // journal, lock, reviewed plans, inventory; default .migrate

	SSH          SSH           `yaml:"ssh"`
	Hosts        []Host        `yaml:"hosts"`
	Applications []Application `yaml:"applications"`
	Provision    Provision     `yaml:"provision"`
	Databases    []Database    `yaml:"databases"`
	DNS          DNS           `yaml:"dns"`
	Cutover      Cutover       `yaml:"cutover"`
}

// SSH is how the hosts of both sites are reached.
type SSH struct {
	User           string        `yaml:"user"`          // default root
	Port           int           `yaml:"port"`          // default 22
	IdentityFile   string        `yaml:"identity_file"` // private key; default ~/.ssh/id_ed25519
	KnownHosts     string        `yaml:"known_hosts"`   // default ~/.ssh/known_hosts
	ConnectTimeout time.Duration `yaml:"connect_timeout"`
}

// Host is a server of the old site. Its clone has the same name.
type Host struct {
	Name    string   `yaml:"name"`
	Address Addr     `yaml:"address"`
	Roles   []string `yaml:"roles"` // web, cache, app, db
	Size    string   `yaml:"size"`  // droplet size slug; empty: chosen from the inventory
	// Volume is the folder that a volume holds where no droplet's disk is large enough;
	// empty: the old host's filesystems besides its root.
	Volume string `yaml:"volume"`
}

// Application is something that runs on hosts and is not a package.
type Application struct {
	Name     string   `yaml:"name"`
	Hosts    []string `yaml:"hosts"`
	Files    []string `yaml:"files"`    // absolute paths of files or folders to copy, old addresses rewritten to new ones
	Services []string `yaml:"services"` // systemd units to enable and start, in order
	Health   string   `yaml:"health"`   // URL with {address}; 2xx means healthy
}

// Provision is where the new site is made.
type Provision struct {
	DigitalOcean DigitalOcean `yaml:"digitalocean"`
}

// DigitalOcean is the account, and the shape of what is made there.
type DigitalOcean struct {
	TokenEnv    string       `yaml:"token_env"` // default DIGITALOCEAN_TOKEN
	Token       secret.Value `yaml:"-"`
	Endpoint    string       `yaml:"endpoint"` // default https://api.digitalocean.com/
	Region      string       `yaml:"region"`
	Image       string       `yaml:"image"`        // default: by each host's distribution and release
	IPv6        bool         `yaml:"ipv6"`         // each new host gets a public IPv6 address, too
	ReservedIPs bool         `yaml:"reserved_ips"` // each public host gets an address that outlives its droplet
	VPCRange    string       `yaml:"vpc_range"`    // CIDR of the migration's own VPC; default chosen by the vendor
	// PublicPorts are open to the world on hosts of the role; every other port
	// only between the hosts of both sites. SSH is open to Operators only.
	PublicPorts map[string][]int `yaml:"public_ports"`
	Operators   []Prefix         `yaml:"operators"` // default 0.0.0.0/0, ::/0
}

// Database is one pair.
type Database struct {
	Name   string         `yaml:"name"`
	Host   string         `yaml:"host"`   // the hosts entry that it runs on, on both sites
	Source DatabaseServer `yaml:"source"` // how its server is reached from its own host
	Target DatabaseServer `yaml:"target"`
	// Schemas to move; empty: all but the system's.
	Schemas  []string `yaml:"schemas"`
	Seed     string   `yaml:"seed"`   // auto (default), copy or physical
	RunOn    string   `yaml:"run_on"` // where the copy runs: controller (default) or target
	Throttle Throttle `yaml:"throttle"`
}

// Methods of a seed, and where it runs.
const (
	seedAuto     = "auto"     // physical where it is possible
	seedCopy     = "copy"     // rows, while they are written to
	seedPhysical = "physical" // the server's own files: mariadb-backup, CLONE

	onController = "controller"
	OnTarget     = "target"
)

// Throttle limits what a seed takes from the source. migrate throttle changes the
// limits of a running seed.
type Throttle struct {
	Workers        int           `yaml:"workers"`         // connections that read; default 4
	Rate           Bytes         `yaml:"rate"`            // bytes a second; default unlimited
	ThreadsRunning int           `yaml:"threads_running"` // running threads of the source above which the seed waits; default 64
	ReplicaLag     time.Duration `yaml:"replica_lag"`     // lag of the source's replicas above which the seed waits; default 10s
}

// DatabaseServer is how migrate logs in, from the server's own host over SSH.
type DatabaseServer struct {
	Socket      string       `yaml:"socket"` // default /run/mysqld/mysqld.sock
	Port        int          `yaml:"port"`   // what replication and the application connect to; default 3306
	User        string       `yaml:"user"`   // default root (by unix_socket)
	PasswordEnv string       `yaml:"password_env"`
	Password    secret.Value `yaml:"-"`
}

// DNS says which zones are flipped, and how.
type DNS struct {
	Cloudflare Cloudflare `yaml:"cloudflare"`
	// Zones whose records with an old host's address are flipped.
	Zones []string `yaml:"zones"`
	// Exclude lists record names that stay; "name" or "name/TYPE".
	Exclude []string `yaml:"exclude"`
	// Resolver (host:port) answers for the zones; empty: their own name servers.
	Resolver string `yaml:"resolver"`
	// TTL that DNS-only records are lowered to ahead of the flip; default 60s.
	TTL   time.Duration `yaml:"ttl"`
	Purge bool          `yaml:"purge"` // purge the zones' caches after the flip; default true
}

// Cloudflare is the account.
type Cloudflare struct {
	TokenEnv string       `yaml:"token_env"` // default CLOUDFLARE_API_TOKEN
	Token    secret.Value `yaml:"-"`
	Endpoint string       `yaml:"endpoint"` // default https://api.cloudflare.com/client/v4/
}

// Cutover is the switch's way (docs/protocols.md) and its limits.
type Cutover struct {
	Way        string        `yaml:"way"`        // the name of one of the Ways; default the first
	MaxLag     time.Duration `yaml:"max_lag"`    // gate: lag below this …; default 1s
	SteadyFor  time.Duration `yaml:"steady_for"` // … for this long; default 3s
	Budget     time.Duration `yaml:"budget"`     // both sides fenced at most this long (I3); default 10s
	VerifyAge  time.Duration `yaml:"verify_age"` // gate: the last clean verify is younger; default 1h
	Stragglers time.Duration `yaml:"stragglers"` // way dual: the side left must see no client write for this long; default 10s
	// KillBlockers ends statements that block the fence for longer than it may wait.
	// Without it the fence is taken back.
	KillBlockers bool `yaml:"kill_blockers"`
	// RecycleSessions ends client sessions that are older than the increments (way
	// dual). Without it apply waits for them to end.
	RecycleSessions bool `yaml:"recycle_sessions"`
	// Admins are database accounts, root included, that may keep what can write
	// through a fence of MariaDB: privileges, routines, open sessions. They cause a
	// warning in place of a refusal.
	Admins []string `yaml:"admins"`
	Waves  []Wave   `yaml:"waves"` // records in no wave are flipped last, in the wave "rest"
}

// Wave is a set of records flipped together.
type Wave struct {
	Name    string   `yaml:"name"`
	Records []string `yaml:"records"` // names; "*.example.com" is that wildcard record itself
}
