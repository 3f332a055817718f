package inventories

import (
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/diff"
	"github.com/dcmigrate/migrate/inventory/roles"
	"github.com/dcmigrate/migrate/move/verb"
	"github.com/dcmigrate/migrate/report"
)

// Compare prints how two sides differ. Each is a host of the inventory, a folder
// with an inventory, the file of one host, or role:NAME. With all it also prints
// what is harmless or expected. It reports whether there is drift.
func (v *Inventory) Compare(w io.Writer, before, after string, asJSON, all bool) (drift bool, err error) {
	old, err := v.side(before)
	if err != nil {
		return false, err
	}
	now, err := v.side(after)
	if err != nil {
		return false, err
	}
	if old.Kind == diff.Role && now.Kind == diff.Capture || old.Kind == diff.Capture && now.Kind == diff.Role {
		return false, verb.Refuse("migrate inventory diff --help", "a role and the capture of a whole site cannot be compared")
	}
	if name, ok := diff.NotIn(old, now); ok {
		return false, verb.Refuse("migrate inventory diff --help", "host %s is not in the other side's folder", name)
	}
	addressBook{v.site}.addTo(old.Peers, now.Peers)
	report := diff.Compare(old, now)
	if asJSON {
		err = inventory.WriteJSON(w, report)
	} else {
		err = diff.Show(w, report, all)
	}
	return report.Count(diff.Drift) > 0, err
}

// rolePrefix marks the name of a role.
const rolePrefix = "role:"

// side finds what an operator named. A host of the inventory takes precedence over a
// file of the same name; a name with a slash is a file or folder.
func (v *Inventory) side(name string) (diff.Side, error) {
	role, isRole := strings.CutPrefix(name, rolePrefix)
	if strings.ContainsRune(name, filepath.Separator) && !isRole {
		return sideAt(name)
	}
	hosts, err := inventory.Load(v.dir())
	if err != nil {
		return diff.Side{}, err
	}
	s := diff.Side{Label: name, Objects: v.objects(), Peers: diff.PeersOf(hosts)}
	if isRole {
		return roleSide(s, hosts, role)
	}
	i := slices.IndexFunc(hosts, func(h *inventory.Host) bool { return h.Name == name })
	if i < 0 {
		return sideAt(name)
	}
	s.Hosts = hosts[i : i+1]
	return s, nil
}

// sideAt reads the capture in a folder, or the inventory of a host in a file.
func sideAt(path string) (diff.Side, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return diff.Side{}, verb.Refuse("migrate inventory show", "%q is no host of the inventory, no file and no folder", path)
	case info.IsDir():
		return captureIn(path)
	}
	h, err := inventory.LoadFile(path)
	if err != nil {
		return diff.Side{}, wrongFile(err)
	}
	s := diff.Side{Label: path, Hosts: []*inventory.Host{h}, Peers: map[string][]netip.Addr{}}
	s.Objects = inventory.NewObjects(filepath.Join(filepath.Dir(path), "objects"))
	if beside, err := inventory.Load(filepath.Dir(path)); err == nil {
		s.Peers = diff.PeersOf(beside)
	}
	return s, nil
}

func roleSide(s diff.Side, hosts []*inventory.Host, role string) (diff.Side, error) {
	found := roles.Of(hosts)
	i := slices.IndexFunc(found, func(r roles.Role) bool { return r.Name == role })
	if i < 0 {
		return s, verb.Refuse("migrate inventory roles", "there is no role %q", role)
	}
	s.Kind, s.Hosts = diff.Role, found[i].Hosts
	return s, nil
}

// captureIn is the inventory in a folder, such as a checkout of an earlier one.
func captureIn(folder string) (diff.Side, error) {
	hosts, err := inventory.Load(folder)
	if err != nil {
		return diff.Side{}, wrongFile(err)
	}
	if len(hosts) == 0 {
		return diff.Side{}, verb.Refuse("name the folder that holds the HOST.json files", "there is no inventory in %s", folder)
	}
	return diff.Side{
		Label: folder, Kind: diff.Capture, Hosts: hosts, Peers: diff.PeersOf(hosts),
		Objects: inventory.NewObjects(filepath.Join(folder, "objects")),
	}, nil
}

// wrongFile hints at what to name instead. Without it the hint would be the one for
// a damaged file of the state folder: to remove it.
func wrongFile(err error) error {
	return report.WithHint(err, "name what migrate inventory capture wrote: HOST.json, or the folder of those")
}
