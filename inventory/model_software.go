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
	Manual       bool   `json:"manual,omitempty"` // asked for, not only a dependency
	Held         bool   `json:"held,omitempty"`   // kept from upgrades
	// Origin is the repository that offers this version, or the vendor that an
	// RPM names. Local: no repository offers it.
	Origin string `json:"origin,omitempty"`
}

// Local is the origin of a package that no repository offers.
const Local = "local"

// Repository is where packages come from.
type Repository struct {
	File       string   `json:"file"`
	Kind       string   `json:"kind"` // deb, deb-src, rpm
	URL        string   `json:"url"`  // without a login
	Suites     []string `json:"suites,omitempty"`
	Components []string `json:"components,omitempty"`
	Name       string   `json:"name,omitempty"` // of an RPM repository
	Disabled   bool     `json:"disabled,omitempty"`
	// SignedBy is the key files that alone may sign it. Empty: any key that the
	// host trusts.
	SignedBy []string `json:"signed_by,omitempty"`
	// Unsigned: taken without any signature.
	Unsigned bool `json:"unsigned,omitempty"`
}

// LanguagePackage is what pip, npm, gem or composer put in a system place.
type LanguagePackage struct {
	Manager string `json:"manager"` // pip, npm, gem, composer
	Name    string `json:"name"`
	Version string `json:"version"`
	Folder  string `json:"folder"`
}

// Service is a systemd service or socket that is enabled, masked, active or
// failed, one that is disabled although its distribution enables such, or a
// script of SysV that starts at boot.
type Service struct {
	Unit    string `json:"unit"`
	Enabled string `json:"enabled,omitempty"` // as list-unit-files says: enabled, static, masked, …
	Active  string `json:"active,omitempty"`  // active, inactive, failed; empty: systemd does not run
	Package string `json:"package,omitempty"` // that brought the unit
	File    string `json:"file,omitempty"`    // that defines it, where no package does
	// Overrides is the files that change the unit.
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

// Program is an executable that runs, once for all its processes.
type Program struct {
	Path   Text   `json:"path"`
	Script Text   `json:"script,omitempty"` // what an interpreter runs
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
	Package  string `json:"package,omitempty"` // that brought the program
	Unit     string `json:"unit,omitempty"`
	Cause    Cause  `json:"cause"`
}

// Connection is between this host and another, as seen while the host was
// captured. Logins by SSH and connections within the host are left out.
type Connection struct {
	Direction string `json:"direction"` // In, Out
	Protocol  string `json:"protocol"`
	Peer      string `json:"peer"` // address
	Port      int    `json:"port"` // of the side that listens
	Process   string `json:"process,omitempty"`
	// Count is how many there were at once, in the sample that had more.
	Count int `json:"count,omitempty"`
}

// Which side opened a connection.
const (
	In  = "in"
	Out = "out"
)

// Cause is what a running thing comes from: what a rebuild needs to bring it
// back. The zero Cause is unexplained.
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
	ByKernel    = "kernel"   // a socket of the kernel itself
	ByLanguage  = "language" // a package of pip, npm, gem or composer
)

// Explained reports whether there is a cause.
func (c Cause) Explained() bool { return c.Kind != "" }

// Coverage counts what runs, and what of it no captured thing explains: the
// number that tells whether a rebuild would be whole.
type Coverage struct {
	Total     int `json:"total"`
	Explained int `json:"explained"`
	// Unexplained lists the rest: "listener tcp 0.0.0.0:9000 (worker)".
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
	Digest string `json:"digest,omitempty"` // in the registry; none: built here
}

// Compose is a compose file that containers came from, or that lies in a chosen
// root.
type Compose struct {
	File     Text     `json:"file"`
	Services []string `json:"services,omitempty"`
	Images   []string `json:"images,omitempty"`
}

// Release is a version of an application.
type Release struct {
	Path Text `json:"path"`
	// Kind is how it was put there: git, current (a link to one of many
	// releases), composer, npm, python, ruby.
	Kind     string `json:"kind"`
	Version  string `json:"version,omitempty"`  // commit, or name of the release
	Remote   string `json:"remote,omitempty"`   // without a login
	Previous int    `json:"previous,omitempty"` // other releases that are kept
}

// VirtualHost is a site of nginx, Apache or HAProxy.
type VirtualHost struct {
	Server  string   `json:"server"` // nginx, apache, haproxy, caddy
	File    Text     `json:"file"`
	Line    int      `json:"line"`
	Names   []string `json:"names,omitempty"`
	Listen  []string `json:"listen,omitempty"`
	Root    string   `json:"root,omitempty"`
	Proxies []string `json:"proxies,omitempty"` // where it passes requests on to
	TLS     bool     `json:"tls,omitempty"`
}

// Certificate is a TLS certificate in a file, or the first of a chain there.
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

// String is "47 of 50": how much of what runs is explained.
func (c Coverage) String() string { return fmt.Sprintf("%d of %d", c.Explained, c.Total) }

// String is "package nginx", or "unexplained".
func (c Cause) String() string {
	if !c.Explained() {
		return "unexplained"
	}
	return strings.TrimSpace(c.Kind + " " + c.Name)
}
