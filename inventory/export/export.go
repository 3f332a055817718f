// Package export turns inventories into input for configuration management: Ansible
// roles, Salt states and pillar, or user-data of cloud-init. What all hosts have is
// written once, what the hosts of a role have once for the role, and only the rest for
// single hosts. It needs the hosts' inventories and the contents of their files. An
// export holds no secret: the name of a variable replaces each, and a list says what to
// supply. What is not exported is listed with the reason. Equal input gives equal files.
package export

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/roles"
	"github.com/dcmigrate/migrate/report"
)

// Format is the configuration management that an export is for.
type Format string

// The formats.
const (
	Ansible   Format = "ansible"
	Salt      Format = "salt"
	CloudInit Format = "cloud-init"
)

// Formats lists them all.
var Formats = []Format{Ansible, CloudInit, Salt}

// Options is what an export needs besides the inventories.
type Options struct {
	Format Format
	// Objects holds the contents of the hosts' files.
	Objects *inventory.Objects
	// New returns for a host the new address or name for each old one. It may be nil.
	New func(host string) map[string]string
	// Unknown are the old addresses that have no new one yet: they stay, and are
	// listed.
	Unknown []string
	// Connect has the addresses of new hosts, by name. A host without one is listed
	// by its name alone.
	Connect map[string]string
}

// Result is an export.
type Result struct {
	// Files are the contents of files by path below the export's folder.
	Files map[string]string `json:"-"`
	// Names are the paths, sorted.
	Names []string `json:"files"`
	// Secrets are the secrets that must be supplied.
	Secrets []Needed `json:"secrets"`
	// Rewritten is every old address and name that was replaced, or stayed as
	// no new one is known.
	Rewritten []Rewrite `json:"rewritten"`
	// NotExported is what the export does not have, and why.
	NotExported []NotExported `json:"not_exported"`
}

// Export returns the hosts of roles in a format. It fails if the capture of a host lacks
// a part that an export needs, and if two files would have the same path.
func Export(all []roles.Role, o Options) (*Result, error) {
	c := newCollector(o, all)
	site, err := c.site(all)
	if err != nil {
		return nil, report.WithHint(fmt.Errorf("export: %w", err), "migrate inventory capture")
	}
	out := files{}
	switch o.Format {
	case Ansible:
		err = out.ansible(site)
	case Salt:
		err = out.salt(site)
	case CloudInit:
		err = out.cloudInit(site)
	default:
		err = report.WithHint(fmt.Errorf("%q is not an export format", o.Format), "use one of: ansible, salt, cloud-init")
	}
	if err != nil {
		return nil, err
	}
	if path, ok := out[duplicateKey]; ok {
		return nil, report.WithHint(fmt.Errorf("export: two files or layers would both be %s", path), "export these hosts one by one")
	}
	r := &Result{Files: out, Secrets: site.Secrets, Rewritten: c.rewrites(), NotExported: c.notExported()}
	out["NOT-EXPORTED.md"] = notExportedPage(r.NotExported)
	out["REWRITTEN.md"] = rewrittenPage(r.Rewritten)
	r.Names = slices.Sorted(maps.Keys(out))
	return r, nil
}

// files are contents by path below the export's folder.
type files map[string]string

// put adds a file. Two files at one path make the export fail, see duplicateKey.
func (f files) put(path, text string) {
	if _, ok := f[path]; ok {
		f[duplicateKey] = path
	}
	f[path] = text
}

// duplicateKey is the key under which put records a path that two files would have.
const duplicateKey = ""

// identifier makes a name that Ansible and Salt accept for a group, a role or the
// prefix of a variable.
func identifier(name string) string {
	id := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return '_'
	}, name)
	if id == "" || id[0] >= '0' && id[0] <= '9' || reserved[id] {
		id = "role_" + id
	}
	return id
}

// reserved names have another meaning in the formats or in this package.
var reserved = map[string]bool{"all": true, "ungrouped": true, "common": true, "host": true, "hosts": true, "top": true, "secrets": true, "localhost": true, "vault": true}
