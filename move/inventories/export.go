package inventories

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/export"
	"github.com/dcmigrate/migrate/inventory/roles"
	"github.com/dcmigrate/migrate/move/verb"
)

// Export writes what rebuilds the hosts, all of them or those named, to a folder, and
// prints what was written and what is left to do.
func (v *Inventory) Export(w io.Writer, format, dir string, asJSON bool, names ...string) error {
	hosts, err := v.Hosts()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(hosts, func(h *inventory.Host) bool { return h.Name == name }) {
			return verb.Refuse("migrate inventory show", "host %s is not in the inventory", name)
		}
	}
	options := export.Options{Format: export.Format(format), Objects: v.objects(), Connect: map[string]string{}}
	for _, machine := range v.site.Directory.Hosts() {
		if machine.Public.IsValid() {
			options.Connect[machine.Name] = machine.Public.String()
		}
	}
	book := addressBook{v.site}
	known := book.known(hosts, &options)
	options.New = func(host string) map[string]string { return book.forHost(host, known) }
	result, err := export.Export(ofHosts(roles.Of(hosts), names), options)
	if err != nil {
		return err
	}
	if err := result.Write(dir); err != nil {
		return err
	}
	if asJSON {
		return inventory.WriteJSON(w, result)
	}
	return showExport(w, result, dir)
}

// ofHosts keeps the named hosts of roles, or all if none is named. The roles keep the
// names that they have among all hosts.
func ofHosts(all []roles.Role, names []string) []roles.Role {
	if len(names) == 0 {
		return all
	}
	var some []roles.Role
	for _, r := range all {
		r.Hosts = slices.DeleteFunc(slices.Clone(r.Hosts), func(h *inventory.Host) bool { return !slices.Contains(names, h.Name) })
		if len(r.Hosts) > 0 {
			some = append(some, r)
		}
	}
	return some
}

// showExport prints what was written and what is left to do.
func showExport(w io.Writer, r *export.Result, dir string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d files in %s; its README.md says how to apply them\n", len(r.Names), dir)
	if len(r.Secrets) > 0 {
		fmt.Fprintf(&b, "\nFill in %d secrets:\n", len(r.Secrets))
		for _, s := range r.Secrets {
			fmt.Fprintf(&b, "  %s: %s in %s\n", s.Name, s.Kind, strings.Join(s.Where, ", "))
		}
	}
	replaced := 0
	for _, x := range r.Rewritten {
		if x.New != "" {
			replaced++
		}
	}
	fmt.Fprintf(&b, "\n%d old addresses replaced, %d still stand in files (REWRITTEN.md); %d things not exported (NOT-EXPORTED.md)\n", replaced, len(r.Rewritten)-replaced, len(r.NotExported))
	_, err := io.WriteString(w, b.String())
	return err
}
