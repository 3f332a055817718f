// Package inventory knows what runs on a host: it captures that over SSH, keeps
// it as versioned JSON, and shows it. It never stores a file's contents, a
// process's arguments, or anything of a database user but the name.
package inventory

import "time"

// Version is of the JSON model; Load refuses a newer one.
const Version = 1

// Host is what was found on one host. Lists are sorted, and nothing in it
// changes by itself but CapturedAt: two captures of an unchanged host are equal.
type Host struct {
	Version    int       `json:"version"`
	Name       string    `json:"name"`
	Roles      []string  `json:"roles,omitempty"`
	CapturedAt time.Time `json:"captured_at"`

	OS        OS         `json:"os"`
	CPU       CPU        `json:"cpu"`
	Memory    Memory     `json:"memory"`
	Disks     []Disk     `json:"disks,omitempty"`
	Packages  []Package  `json:"packages,omitempty"`
	Services  []Service  `json:"services,omitempty"`
	Listeners []Listener `json:"listeners,omitempty"`
	MySQL     *MySQL     `json:"mysql,omitempty"`
	Files     []File     `json:"files,omitempty"`
	// Missing is what could not be captured: never taken for "there is none".
	Missing []Missing `json:"missing,omitempty"`
}

// OS is the operating system.
type OS struct {
	ID           string `json:"id"`       // "debian"
	Release      string `json:"release"`  // VERSION_ID: "12"
	Codename     string `json:"codename"` // "bookworm"
	Name         string `json:"name"`     // PRETTY_NAME
	Kernel       string `json:"kernel"`
	Architecture string `json:"architecture"` // of uname: "x86_64"
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

// Package is an installed Debian package.
type Package struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"`
	Manual       bool   `json:"manual,omitempty"` // asked for, not only a dependency
}

// Service is a systemd service, socket or timer that is enabled, masked, active
// or failed.
type Service struct {
	Unit    string `json:"unit"`
	Enabled string `json:"enabled,omitempty"` // as list-unit-files says: enabled, static, masked, …
	Active  string `json:"active,omitempty"`  // active, inactive, failed; empty: systemd does not run
	Package string `json:"package,omitempty"` // that brought the unit
}

// Listener is a socket that waits for clients.
type Listener struct {
	Protocol string `json:"protocol"` // tcp, udp
	Address  string `json:"address"`  // "0.0.0.0", "::", "*", "127.0.0.53%lo"
	Port     int    `json:"port"`
	Process  string `json:"process,omitempty"` // its name, never its arguments
	Package  string `json:"package,omitempty"` // that brought the program
}

// MySQL is a MySQL or MariaDB server. What is missing of it is in Host.Missing.
type MySQL struct {
	Socket    string            `json:"socket"`
	Version   string            `json:"version"`
	Variables map[string]string `json:"variables,omitempty"` // global, of Variables
	Schemas   []Schema          `json:"schemas,omitempty"`   // all but the system's
	Users     []User            `json:"users,omitempty"`
	FreeSpace int64             `json:"free_space_bytes"` // for the data directory, rounded down to SpaceUnit
}

// Schema is a database of the server.
type Schema struct {
	Name   string `json:"name"`
	Tables int    `json:"tables"`
	Size   int64  `json:"size_bytes"` // data and indexes, as the engine estimates
}

// User is an account by its name only.
type User struct {
	User string `json:"user"`
	Host string `json:"host"`
}

// File is a file, folder or symbolic link named in the config, or below one.
type File struct {
	Path   Text   `json:"path"`
	Kind   string `json:"kind"` // file, folder, link
	Mode   string `json:"mode"` // octal, "0640"
	UID    int    `json:"uid"`
	GID    int    `json:"gid"`
	Owner  string `json:"owner,omitempty"`
	Group  string `json:"group,omitempty"`
	Size   int64  `json:"size_bytes,omitempty"` // of files
	SHA256 string `json:"sha256,omitempty"`     // of files
	Target Text   `json:"target,omitempty"`     // of links
}

// Why something is missing.
const (
	Absent   = "absent"    // a tool, file or server is not there
	Denied   = "denied"    // no permission
	TimedOut = "timed out" // it took too long
	Failed   = "failed"    // anything else
)

// Missing is something that could not be captured.
type Missing struct {
	What   string `json:"what"`   // a section of the capture, or a file's path
	Reason string `json:"reason"` // Absent, Denied, TimedOut, Failed
	Detail string `json:"detail,omitempty"`
}

// DataSize is the size of all schemas in bytes.
func (m *MySQL) DataSize() int64 {
	var sum int64
	for _, s := range m.Schemas {
		sum += s.Size
	}
	return sum
}
