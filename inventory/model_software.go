package inventory

import (
	"fmt"
	"strings"
)

// Package is an installed package of dpkg or rpm.
type Package struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"`
	Manual       bool   `json:"manual,omitempty"` // installed on request, not only as a dependency
	Held         bool   `json:"held,omitempty"`   // kept from upgrades
	// Origin is the repository that offers this version, the vendor that an RPM
	// names, or Local.
	Origin string `json:"origin,omitempty"`
}

// Local is the origin of a package that no repository offers.
const Local = "local"

// Repository is a source of packages.
type Repository struct {
	File       string   `json:"file"`
	Kind       string   `json:"kind"` // deb, deb-src, rpm
	URL        string   `json:"url"`  // without a login
	Suites     []string `json:"suites,omitempty"`
	Components []string `json:"components,omitempty"`
	Name       string   `json:"name,omitempty"` // of an RPM repository
	Disabled   bool     `json:"disabled,omitempty"`
	// SignedBy lists the only key files that may sign it. If empty, every key that
	// the host trusts may.
	SignedBy []string `json:"signed_by,omitempty"`
	// Unsigned is true if its packages are accepted without a signature.
	Unsigned bool `json:"unsigned,omitempty"`
}

// LanguagePackage is a package that pip, npm, gem or composer installed for the
// whole system.
type LanguagePackage struct {
	Manager string `json:"manager"` // pip, npm, gem, composer
	Name    string `json:"name"`
	Version string `json:"version"`
	Folder  string `json:"folder"`
}

// Service is a systemd service or socket that is enabled, masked, active or
// failed, or that is disabled although its distribution enables it; or a SysV
// script that starts at boot.
type Service struct {
	Unit    string `json:"unit"`
	Enabled string `json:"enabled,omitempty"` // as list-unit-files prints it: enabled, static, masked, …
	Active  string `json:"active,omitempty"`  // active, inactive, failed; empty: systemd does not run
	Package string `json:"package,omitempty"` // the package that installed the unit
	File    string `json:"file,omitempty"`    // the file that defines the unit, if no package does
	// Overrides lists the files that change the unit.
	Overrides []string `json:"overrides,omitempty"`
}

// Timer is a systemd timer that is enabled or active.
type Timer struct {
	Unit     string   `json:"unit"`
	Starts   string   `json:"starts,omitempty"`   // the unit that it starts
	Schedule []string `json:"schedule,omitempty"` // OnCalendar=…, OnBootUSec=…
	Enabled  string   `json:"enabled,omitempty"`
	Active   string   `json:"active,omitempty"`
	Cause    Cause    `json:"cause"`
}

// CronJob is a command that cron, anacron or at starts.
type CronJob struct {
	File     Text   `json:"file"`
	Line     int    `json:"line,omitempty"`
	User     string `json:"user,omitempty"`
	Schedule string `json:"schedule"` // "17 * * * *", "@daily", "daily"
	Command  string `json:"command"`  // without secrets
	Cause    Cause  `json:"cause"`
}

// Program is a running executable; all its processes count as one.
type Program struct {
	Path   Text   `json:"path"`
	Script Text   `json:"script,omitempty"` // the script, if Path is an interpreter
	User   string `json:"user,omitempty"`
	Unit   string `json:"unit,omitempty"`
	Cause  Cause  `json:"cause"`
}

// Listener is a socket that waits for clients.
type Listener struct {
	Protocol string `json:"protocol"` // tcp, udp
	Address  string `json:"address"`  // "0.0.0.0", "::", "*", "127.0.0.53%lo"
	Port     int    `json:"port"`
	Process  string `json:"process,omitempty"` // its name, never its arguments
	Package  string `json:"package,omitempty"` // the package that installed the program
	Unit     string `json:"unit,omitempty"`
	Cause    Cause  `json:"cause"`
}

// Connection is a connection to another host that was open during the capture.
// SSH logins and connections within the host are left out.
type Connection struct {
	Direction string `json:"direction"` // In, Out
	Protocol  string `json:"protocol"`
	Peer      string `json:"peer"` // address
	Port      int    `json:"port"` // of the side that listens
	Process   string `json:"process,omitempty"`
	// Count is the number of such connections at once: the larger of two samples.
	Count int `json:"count,omitempty"`
}

// Directions of a Connection.
const (
	In  = "in"  // the other host opened it
	Out = "out" // this host opened it
)

// Cause says what brings a listener, timer, job or program back on a rebuilt
// host. The zero Cause is unexplained.
type Cause struct {
	Kind string `json:"kind"`           // ByPackage, …; empty: unexplained
	Name string `json:"name,omitempty"` // of the package, release, container or file
}

// Kinds of causes.
const (
	ByPackage   = "package"
	ByRelease   = "release"
	ByContainer = "container"
	ByFile      = "file"     // its contents or hash are in the inventory
	ByKernel    = "kernel"   // a socket that the kernel itself opened
	ByLanguage  = "language" // a package of pip, npm, gem or composer
)

// Explained reports whether there is a cause.
func (c Cause) Explained() bool { return c.Kind != "" }

// Coverage counts the listeners, programs, timers and jobs, and those that have a
// Cause. A rebuilt host would lack the rest.
type Coverage struct {
	Total     int `json:"total"`
	Explained int `json:"explained"`
	// Unexplained lists those without a Cause: "listener tcp 0.0.0.0:9000 (worker)".
	Unexplained []string `json:"unexplained,omitempty"`
}

// Container is a container of Docker or Podman.
type Container struct {
	Engine  string   `json:"engine"` // docker, podman
	Name    string   `json:"name"`
	Image   string   `json:"image"`
	Digest  string   `json:"image_id"`
	Running bool     `json:"running"`
	Restart string   `json:"restart,omitempty"`
	Ports   []string `json:"ports,omitempty"`  // "0.0.0.0:8080->80/tcp"
	Mounts  []string `json:"mounts,omitempty"` // "/srv/data:/data"
	Compose string   `json:"compose,omitempty"`

	ID string `json:"id"`
}

// Image is a container image.
type Image struct {
	Engine string `json:"engine"`
	Name   string `json:"name"` // repository:tag
	ID     string `json:"id"`
	Digest string `json:"digest,omitempty"` // in the registry; empty: built on the host
}

// Compose is a compose file below one of the folders of applications.
type Compose struct {
	File     Text     `json:"file"`
	Services []string `json:"services,omitempty"`
	Images   []string `json:"images,omitempty"`
}

// Release is a version of an application.
type Release struct {
	Path Text `json:"path"`
	// Kind is how the release was deployed: git, current (a link to one of many
	// releases), composer, npm, python, ruby, procfile.
	Kind     string `json:"kind"`
	Version  string `json:"version,omitempty"`  // commit, or name of the release
	Remote   string `json:"remote,omitempty"`   // without a login
	Previous int    `json:"previous,omitempty"` // number of other releases beside it
}

// VirtualHost is a site of nginx, Apache or HAProxy.
type VirtualHost struct {
	Server  string   `json:"server"` // nginx, apache, haproxy, caddy
	File    Text     `json:"file"`
	Line    int      `json:"line"`
	Names   []string `json:"names,omitempty"`
	Listen  []string `json:"listen,omitempty"`
	Root    string   `json:"root,omitempty"`
	Proxies []string `json:"proxies,omitempty"` // the servers that it passes requests to
	TLS     bool     `json:"tls,omitempty"`
}

// Certificate is a TLS certificate in a file, or the first of the chain in it.
type Certificate struct {
	File     Text     `json:"file"`
	Subject  string   `json:"subject"`
	Issuer   string   `json:"issuer"`
	Names    []string `json:"names,omitempty"`
	From     string   `json:"not_before"` // RFC 3339
	Until    string   `json:"not_after"`
	SHA256   string   `json:"sha256"`
	SelfMade bool     `json:"self_signed,omitempty"`
}

// String returns the explained share, such as "47 of 50".
func (c Coverage) String() string { return fmt.Sprintf("%d of %d", c.Explained, c.Total) }

// String returns the cause, such as "package nginx", or "unexplained".
func (c Cause) String() string {
	if !c.Explained() {
		return "unexplained"
	}
	return strings.TrimSpace(c.Kind + " " + c.Name)
}
