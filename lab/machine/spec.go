package machine

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path"
	"strings"
)

// Layer is the set of packages that a new host has.
type Layer int

// The layers.
const (
	OldSite Layer = iota // a server of the old site: MariaDB and nginx are installed
	Droplet              // a new droplet of the image debian-12: cloud-init installs the rest
)

// String returns the layer's folder in a base tree.
func (l Layer) String() string {
	if l == Droplet {
		return dropletLayer
	}
	return siteLayer
}

// Spec describes a host.
type Spec struct {
	Name      string       // host name: letters, digits, hyphens, dots
	Layer     Layer        // what is installed
	Addresses []netip.Addr // on eth0, inside the network's prefix; Boot waits for sshd at the first
	Private   []netip.Addr // on eth1, each with the /24 around it; without any there is no eth1

	AuthorizedKeys []string        // lines of root's authorized_keys
	Files          map[string]File // by absolute path; written before the first boot
	CloudInit      *CloudInitSeed  // for droplets; nil boots without cloud-init

	Memory int64 // bytes that the host shows, no limit; 0 shows this machine's
	CPUs   int   // processors that the host shows; 0 shows this machine's
}

// File is a file, or a symbolic link, that a host has from the start.
type File struct {
	Content []byte
	Mode    os.FileMode // permission bits; 0 means 0644
	Owner   string      // "user" or "user:group", by name or number; "" means root
	Link    string      // when set: a symbolic link to this, and no content
}

// CloudInitSeed is the data that a cloud gives a droplet at its first boot.
type CloudInitSeed struct {
	MetaData string // YAML for the NoCloud source; "" means an instance-id and the name
	UserData string // any format that cloud-init accepts
}

// validate checks a spec for a host on a network.
func (s Spec) validate(network netip.Prefix) error {
	// 64 bytes are the kernel's limit for a host name; the rest is for the prefix.
	const maxName = 52
	if s.Name == "" || len(s.Name) > maxName || strings.Trim(strings.ToLower(s.Name), "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" ||
		strings.Trim(s.Name, "-.") != s.Name {
		return fmt.Errorf("host name %q: want 1 to %d letters, digits, hyphens and dots", s.Name, maxName)
	}
	if s.Layer != OldSite && s.Layer != Droplet {
		return fmt.Errorf("layer %d: want OldSite or Droplet", s.Layer)
	}
	if len(s.Addresses) == 0 {
		return errors.New("no address")
	}
	for _, a := range append(append([]netip.Addr{}, s.Addresses...), s.Private...) {
		if !a.Is4() || !network.Contains(a) || a == network.Addr() {
			return fmt.Errorf("address %s: want one in %s that is not the gateway's", a, network.Masked())
		}
	}
	if s.CloudInit != nil && s.Layer != Droplet {
		return errors.New("cloud-init is only in the droplet layer")
	}
	if s.Memory < 0 || s.CPUs < 0 {
		return errors.New("memory and processors cannot be negative")
	}
	for p := range s.Files {
		if !path.IsAbs(p) || path.Clean(p) != p || p == "/" {
			return fmt.Errorf("file %q: want a clean absolute path", p)
		}
	}
	return nil
}
