package inventory

import (
	"slices"
	"time"
)

// NotRoot stands in Host.Missing if the login of the capture could not become root.
const NotRoot = "root"

// AsRoot reports whether the host was captured as root sees it.
func (h *Host) AsRoot() bool {
	return !slices.ContainsFunc(h.Missing, func(m Missing) bool { return m.What == NotRoot })
}

const (
	// Version is the version of the JSON model that this program writes.
	Version = 2
	// Compatible is the oldest version of a program that can read the model:
	// newer fields are additions, which an older program lists and ignores.
	Compatible = 2
)

// Host describes one host. Its lists are sorted. Two captures of an unchanged
// host differ only in CapturedAt and in what changes by itself, as Connections do.
type Host struct {
	Version    int       `json:"version"`
	Compatible int       `json:"compatible"`
	Name       string    `json:"name"`
	Roles      []string  `json:"roles,omitempty"`
	CapturedAt time.Time `json:"captured_at"`
	// As is the user that the capture ran as. A user other than root sees less.
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

	// Configuration lists the files of /etc and similar folders that set this host
	// apart: those that differ from their package, and those of no package. A folder
	// is listed if no package owns it and it is not root's with mode 0755.
	Configuration []File `json:"configuration,omitempty"`
	// Files lists the paths that the config names, with all below them.
	Files []File `json:"files,omitempty"`
	// Secrets lists what a rebuilt host needs and the inventory does not hold.
	Secrets []Secret `json:"secrets,omitempty"`
	// Missing lists what could not be captured. An empty list elsewhere means
	// "there is none" only if nothing here says otherwise.
	Missing []Missing `json:"missing,omitempty"`

	// Unknown lists the fields of a newer program's file that this program ignored.
	Unknown []string `json:"-"`
}

// OS describes the operating system.
type OS struct {
	ID           string `json:"id"`       // "debian"
	Release      string `json:"release"`  // VERSION_ID: "12"
	Codename     string `json:"codename"` // "bookworm"
	Name         string `json:"name"`     // PRETTY_NAME
	Like         string `json:"like,omitempty"`
	Kernel       string `json:"kernel"`
	Architecture string `json:"architecture"`   // as uname prints it: "x86_64"
	Init         string `json:"init,omitempty"` // "systemd", or the name of process 1
	Locale       string `json:"locale,omitempty"`
}

// Hardware describes what the host runs on.
type Hardware struct {
	Virtualization string `json:"virtualization,omitempty"` // as systemd-detect-virt prints it: "kvm", "none", …
	Vendor         string `json:"vendor,omitempty"`
	Product        string `json:"product,omitempty"`
}

// CPU describes the processors that are online.
type CPU struct {
	Count int    `json:"count"`
	Model string `json:"model,omitempty"`
}

// Memory holds the sizes of memory and swap in bytes.
type Memory struct {
	Total int64 `json:"total_bytes"`
	Swap  int64 `json:"swap_bytes"`
}

// Disk is a mounted file system that holds data. A network file system has no
// sizes: asking for them may hang.
type Disk struct {
	Mount  string `json:"mount"`
	Device string `json:"device"`
	FS     string `json:"fs"`
	Size   int64  `json:"size_bytes,omitempty"`
	Used   int64  `json:"used_bytes,omitempty"` // rounded up to SpaceUnit
}

// SpaceUnit is the unit that used and free space are rounded to, in bytes, so
// that a new log line does not change an inventory.
const SpaceUnit = 64 << 20

// BlockDevice is a disk, a partition, or a device made of them.
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
	// Degraded is true if fewer members work than the array has.
	Degraded bool `json:"degraded,omitempty"`
}

// Swap is a device or file that memory is swapped to.
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
	// SHA256 is set for a file that everybody on the host may read and that holds
	// no secret. The plain hash of any other file could confirm a guessed password.
	// Such a file has HMAC in its place: a hash keyed with the project's key, equal
	// for equal contents.
	SHA256 string `json:"sha256,omitempty"`
	HMAC   string `json:"hmac,omitempty"`
	Target Text   `json:"target,omitempty"` // of links
	// Package is the package that installed the file, which was changed since.
	Package string `json:"package,omitempty"`
	// Content is the name of the file's contents, without secrets, in Objects.
	Content string `json:"content,omitempty"`
}

// Line is a line of a configuration file, without secrets.
type Line struct {
	File Text   `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
}

// Secret is a secret that a rebuilt host needs and that the inventory does not hold.
type Secret struct {
	// Path is the file, or the part of the inventory, that the secret belongs in.
	Path Text `json:"path"`
	Line int  `json:"line,omitempty"` // 0: the whole file
	// Kind is the kind of secret: "password", "private key", "token", …
	Kind string `json:"kind"`
	Key  string `json:"key,omitempty"` // the setting whose value is the secret
	// Token stands in place of the secret; equal secrets have equal tokens. It is
	// empty for a file that was never read.
	Token string `json:"token,omitempty"`
}

// Reasons of Missing.
const (
	Absent   = "absent"    // a tool, file or server does not exist
	Denied   = "denied"    // the permission was missing
	TimedOut = "timed out" // it took too long
	Skipped  = "skipped"   // left out on purpose
	Failed   = "failed"    // any other reason
)

// Missing is something that could not be captured.
type Missing struct {
	What   string `json:"what"`   // a section of the capture, or a file's path
	Reason string `json:"reason"` // Absent, Denied, TimedOut, Skipped, Failed
	Detail string `json:"detail,omitempty"`
}

// DiskSpace returns the sums of the local disks in bytes. Each device counts once.
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
