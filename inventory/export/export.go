// Package export turns inventories into what configuration management takes:
// Ansible roles, Salt states and pillar, or user-data of cloud-init. What all
// hosts have is written once, what the hosts of a role have once for the role,
// and only what is left for a host alone. An export holds no secret: where one
// belongs stands the name of a variable, and a list says what to supply.
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

// Format is what an export is for.
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
	// New maps each old address and name to the one that a host must use in its
	// place; nil: none is known.
	New func(host string) map[string]string
	// Unknown is the old addresses that have no new one yet: they stay, and are
	// listed.
	Unknown []string
	// Connect is where the new hosts answer, by name. A host that it lacks is
	// listed by its name alone.
	Connect map[string]string
}

// Result is the files of an export.
type Result struct {
	// Files is the contents by the path below the export's folder.
	Files map[string]string `json:"-"`
	// Names is the paths, sorted.
	Names []string `json:"files"`
	// Secrets is what must be supplied.
	Secrets []Needed `json:"secrets"`
	// Rewritten is every old address and name that was replaced, or stayed as
	// no new one is known.
	Rewritten []Rewrite `json:"rewritten"`
	// Left is what is not exported, and why.
	Left []Left `json:"not_exported"`
}

// Export writes the roles in a format. The same input gives the same files.
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
		err = report.WithHint(fmt.Errorf("%q is no format of an export", o.Format), "use one of: ansible, salt, cloud-init")
	}
	if err != nil {
		return nil, err
	}
	if path, ok := out[twice]; ok {
		return nil, report.WithHint(fmt.Errorf("export: two files or layers would both be %s", path), "export these hosts one by one")
	}
	r := &Result{Files: out, Secrets: site.Secrets, Rewritten: c.rewrites(), Left: c.left()}
	out["NOT-EXPORTED.md"] = notExported(r.Left)
	out["REWRITTEN.md"] = rewritten(r.Rewritten)
	r.Names = slices.Sorted(maps.Keys(out))
	return r, nil
}

// files is contents by path below the export's folder.
type files map[string]string

// put adds a file. Two at one path make the export fail: see twice.
func (f files) put(path, text string) {
	if _, ok := f[path]; ok {
		f[twice] = path
	}
	f[path] = text
}

// twice is where put notes a path that two files were to have; no file has it.
const twice = ""

// identifier makes a name that Ansible and Salt take for a group, a role or
// the beginning of a variable.
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

// reserved names mean something else to the formats, or to this package.
var reserved = map[string]bool{"all": true, "ungrouped": true, "common": true, "host": true, "hosts": true, "top": true, "secrets": true, "localhost": true, "vault": true}
