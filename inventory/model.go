package inventory

import (
	"slices"
	"time"
)

// NotRoot is what a capture lacks whose login could not become root.
const NotRoot = "root"

// AsRoot reports whether root's view of the host was captured.
func (h *Host) AsRoot() bool {
	return !slices.ContainsFunc(h.Missing, func(m Missing) bool { return m.What == NotRoot })
}

const (
	// Version is of the JSON model that this program writes.
	Version = 2
	// Compatible is the oldest version whose programs can read it: newer fields
	// are additions that an older program reports and passes over.
	Compatible = 2
)

// Host is what was found on one host. Lists are sorted. Two captures of an
// unchanged host differ in CapturedAt only, but for what comes and goes by
// itself: Connections are those of the moment.
type Host struct {
	Version    int       `json:"version"`
	Compatible int       `json:"compatible"`
	Name       string    `json:"name"`
	Roles      []string  `json:"roles,omitempty"`
	CapturedAt time.Time `json:"captured_at"`
	// As is the user that the capture ran as; one other than root sees less.
	As string `json:"captured_as,omitempty"`

	OS           OS            `json:"os"`
	Hardware     Hardware      `json:"hardware"`
	CPU          CPU           `json:"cpu"`
	Memory       Memory        `json:"memory"`
	Disks        []Disk        `json:"disks,omitempty"`
	BlockDevices []BlockDevice `json:"block_devices,omitempty"`
	Volumes      []Volume      `json:"logical_volumes,omitempty"`
	Arrays       []Array       `json:"raid_arrays,omitempty"`
	Swaps        []Swap        `json:"swaps,omitempty"`
	Mounts       []Mount       `json:"fstab,omitempty"`

	Packages     []Package         `json:"packages,omitempty"`
	Repositories []Repository      `json:"repositories,omitempty"`
	Languages    []LanguagePackage `json:"language_packages,omitempty"`

	Services    []Service    `json:"services,omitempty"`
	Programs    []Program    `json:"programs,omitempty"`
	Listeners   []Listener   `json:"listeners,omitempty"`
	Connections []Connection `json:"connections,omitempty"`
	Timers      []Timer      `json:"timers,omitempty"`
	CronJobs    []CronJob    `json:"cron_jobs,omitempty"`
	Coverage    Coverage     `json:"coverage"`

	Users          []Account       `json:"users,omitempty"`
	Groups         []Group         `json:"groups,omitempty"`
	Sudo           []Line          `json:"sudo_rules,omitempty"`
	AuthorizedKeys []AuthorizedKey `json:"authorized_keys,omitempty"`

	Kernel   KernelSettings `json:"kernel"`
	Network  Network        `json:"network"`
	Firewall []RuleSet      `json:"firewall,omitempty"`
	Time     TimeSettings   `json:"time"`

	Certificates []Certificate `json:"certificates,omitempty"`
	VirtualHosts []VirtualHost `json:"virtual_hosts,omitempty"`
	Containers   []Container   `json:"containers,omitempty"`
	Images       []Image       `json:"images,omitempty"`
	Compose      []Compose     `json:"compose,omitempty"`
	Releases     []Release     `json:"releases,omitempty"`

	MySQL      *MySQL       `json:"mysql,omitempty"`
	Redis      []Redis      `json:"redis,omitempty"`
	PostgreSQL []PostgreSQL `json:"postgresql,omitempty"`

	// Configuration is the files of /etc and the like that make this host what it
	// is: those that differ from their package, and those of no package. Folders
	// are there where no package owns them and root alone does not, or where not
	// everybody may look into them.
	Configuration []File `json:"configuration,omitempty"`
	// Files is what the config names, with all below it.
	Files []File `json:"files,omitempty"`
	// Secrets is what must be supplied from elsewhere, and where it goes.
	Secrets []Secret `json:"secrets,omitempty"`
	// Missing is what could not be captured: never taken for "there is none".
	Missing []Missing `json:"missing,omitempty"`

	// Unknown is the fields of a newer program's file that this one passed over.
	Unknown []string `json:"-"`
}

// OS is the operating system.
type OS struct {
	ID           string `json:"id"`       // "debian"
	Release      string `json:"release"`  // VERSION_ID: "12"
	Codename     string `json:"codename"` // "bookworm"
	Name         string `json:"name"`     // PRETTY_NAME
	Like         string `json:"like,omitempty"`
	Kernel       string `json:"kernel"`
	Architecture string `json:"architecture"`   // of uname: "x86_64"
	Init         string `json:"init,omitempty"` // "systemd", or the name of process 1
	Locale       string `json:"locale,omitempty"`
}

// Hardware is what the host runs on.
type Hardware struct {
	Virtualization string `json:"virtualization,omitempty"` // as systemd-detect-virt says: "kvm", "none", …
	Vendor         string `json:"vendor,omitempty"`
	Product        string `json:"product,omitempty"`
}

// CPU is the processors that are online.
type CPU struct {
	Count int    `json:"count"`
	Model string `json:"model,omitempty"`
}

// Memory is in bytes.
type Memory struct {
	Total int64 `json:"total_bytes"`
	Swap  int64 `json:"swap_bytes"`
}

// Disk is a mounted file system that holds data. A network file system is
// listed without sizes, as asking for them may hang.
type Disk struct {
	Mount  string `json:"mount"`
	Device string `json:"device"`
	FS     string `json:"fs"`
	Size   int64  `json:"size_bytes,omitempty"`
	Used   int64  `json:"used_bytes,omitempty"` // rounded up to SpaceUnit
}

// SpaceUnit is what used and free space are rounded to, in bytes, so that a log
// line does not make an inventory differ.
const SpaceUnit = 64 << 20

// BlockDevice is a disk, a part of one, or what is made of them.
type BlockDevice struct {
	Name   string `json:"name"`
	Parent string `json:"parent,omitempty"`
	Kind   string `json:"kind"` // disk, part, lvm, crypt, raid1, …
	Size   int64  `json:"size_bytes"`
	FS     string `json:"fs,omitempty"`
	Model  string `json:"model,omitempty"`
}

// Volume is a logical volume of LVM.
type Volume struct {
	Group string `json:"group"`
	Name  string `json:"name"`
	Size  int64  `json:"size_bytes"`
}

// Array is a software RAID.
type Array struct {
	Name    string   `json:"name"`
	Level   string   `json:"level"`
	State   string   `json:"state"` // "active", "inactive"
	Members []string `json:"members,omitempty"`
	// Degraded: fewer members work than there should be.
	Degraded bool `json:"degraded,omitempty"`
}

// Swap is a device or file to swap to.
type Swap struct {
	Path string `json:"path"`
	Kind string `json:"kind"` // partition, file
	Size int64  `json:"size_bytes"`
}

// Mount is a line of fstab(5). A password in its options is redacted.
type Mount struct {
	Device  string `json:"device"`
	Mount   string `json:"mount"`
	FS      string `json:"fs"`
	Options string `json:"options,omitempty"`
}

// File is a file, folder or symbolic link.
type File struct {
	Path  Text   `json:"path"`
	Kind  string `json:"kind"` // file, folder, link
	Mode  string `json:"mode"` // octal, "0640"
	UID   int    `json:"uid"`
	GID   int    `json:"gid"`
	Owner string `json:"owner,omitempty"`
	Group string `json:"group,omitempty"`
	Size  int64  `json:"size_bytes,omitempty"` // of files
	// SHA256 is of a file that everybody on the host may read and that holds no
	// secret. Any other's hash could tell a guessed password from the right one:
	// HMAC stands there, a hash that needs the project's key, equal for equal
	// contents.
	SHA256 string `json:"sha256,omitempty"`
	HMAC   string `json:"hmac,omitempty"`
	Target Text   `json:"target,omitempty"` // of links
	// Package is the one that brought the file, which was changed since.
	Package string `json:"package,omitempty"`
	// Content names the file's contents in Objects, without secrets.
	Content string `json:"content,omitempty"`
}

// Line is a line of a configuration file, without secrets.
type Line struct {
	File Text   `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
}

// Secret is something that the inventory does not hold and a rebuilt host
// needs.
type Secret struct {
	// Path is the file, or the part of the inventory, that it belongs in.
	Path Text `json:"path"`
	Line int  `json:"line,omitempty"` // 0: the whole file
	// Kind is what it is: "password", "private key", "token", …
	Kind string `json:"kind"`
	Key  string `json:"key,omitempty"` // the setting that it is the value of
	// Token stands in its place; the same token is the same secret. Empty for a
	// file that was never read.
	Token string `json:"token,omitempty"`
}

// Why something is missing.
const (
	Absent   = "absent"    // a tool, file or server is not there
	Denied   = "denied"    // no permission
	TimedOut = "timed out" // it took too long
	Skipped  = "skipped"   // left out on purpose
	Failed   = "failed"    // anything else
)

// Missing is something that could not be captured.
type Missing struct {
	What   string `json:"what"`   // a section of the capture, or a file's path
	Reason string `json:"reason"` // Absent, Denied, TimedOut, Skipped, Failed
	Detail string `json:"detail,omitempty"`
}

// DiskSpace sums the local disks, each device once, in bytes.
func (h *Host) DiskSpace() (used, size int64) {
	seen := map[string]bool{}
	for _, d := range h.Disks {
		if !seen[d.Device] {
			seen[d.Device] = true
			used, size = used+d.Used, size+d.Size
		}
	}
	return used, size
}
