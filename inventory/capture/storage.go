package capture

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// dfLine matches device, type, size, used, free, capacity and mount point. The first
// and the last may contain blanks.
var dfLine = regexp.MustCompile(`^(.+?)\s+(\S+)\s+(\d+)\s+(\d+)\s+(-?\d+)\s+(?:\d+%|-)\s+(/.*)$`)

// withoutData lists the types of file systems without data of the host: those in
// memory, of the firmware, and read-only images.
var withoutData = []string{"tmpfs", "devtmpfs", "ramfs", "squashfs", "efivarfs", "udev", "none"}

// stackedFileSystems lists the types of file systems that show the space of another.
// Mostly they belong to running containers. Only a root of this type is the host's own.
var stackedFileSystems = []string{"overlay", "aufs"}

// disks reads the output of df. If df fails for one file system, it still prints the
// others: these are kept, and the failure is listed as missing.
func (p *parser) disks() {
	s, _ := p.section("disks")
	if s.status == 0 || len(s.out) == 0 {
		p.parse("disks", p.df)
		return
	}
	p.addMissing(*s.missing("disks"))
	if err := p.df(string(s.out)); err != nil {
		p.addMissing(inventory.Missing{What: "disks", Reason: inventory.Failed, Detail: err.Error()})
	}
}

func (p *parser) df(text string) error {
	for _, line := range lines(text) {
		f := dfLine.FindStringSubmatch(line)
		if f == nil || slices.Contains(withoutData, f[2]) || slices.Contains(stackedFileSystems, f[2]) && f[6] != "/" {
			continue
		}
		size, err1 := kibibytes(f[3])
		used, err2 := kibibytes(f[4])
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("read size of %s: %w", f[6], err)
		}
		p.host.Disks = append(p.host.Disks, inventory.Disk{Mount: f[6], Device: f[1], FS: f[2], Size: size, Used: roundUp(used)})
	}
	return nil
}

func roundUp(n int64) int64 {
	return (n + inventory.SpaceUnit - 1) / inventory.SpaceUnit * inventory.SpaceUnit
}

var networkFileSystem = regexp.MustCompile(`^(nfs4?|cifs|smb3|ceph|glusterfs|fuse\.(sshfs|glusterfs|s3fs)|9p|lustre|afs)$`)

// mounts adds the network file systems.
func (p *parser) mounts(text string) error {
	for _, line := range lines(text) {
		f := strings.Fields(line)
		if len(f) >= 3 && networkFileSystem.MatchString(f[2]) && f[1] != "/" {
			p.host.Disks = append(p.host.Disks, inventory.Disk{Mount: unescapeMount(f[1]), Device: unescapeMount(f[0]), FS: f[2]})
		}
	}
	return nil
}

// onNetwork reports whether a path lies on a network file system, which may hang.
func (p *parser) onNetwork(path string) bool {
	return slices.ContainsFunc(p.host.Disks, func(d inventory.Disk) bool {
		return networkFileSystem.MatchString(d.FS) && (path == d.Mount || strings.HasPrefix(path, strings.TrimSuffix(d.Mount, "/")+"/"))
	})
}

var mountEscape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// unescapeMount decodes the escapes of /proc/mounts; see fstab(5).
func unescapeMount(s string) string { return mountEscape.Replace(s) }

// storage reads block devices, logical volumes, arrays and swap.
func (p *parser) storage() {
	p.parse("block", p.block)
	p.parse("lvm", p.lvm)
	p.parse("raid", p.raid)
	p.parse("swaps", p.swaps)
}

var lsblkPair = regexp.MustCompile(`([A-Z:-]+)="((?:[^"\\]|\\.)*)"`)

// block reads lsblk -P.
func (p *parser) block(text string) error {
	for _, line := range lines(text) {
		v := map[string]string{}
		for _, m := range lsblkPair.FindAllStringSubmatch(line, -1) {
			v[m[1]] = strings.TrimSpace(m[2])
		}
		size, err := strconv.ParseInt(v["SIZE"], 10, 64)
		if err != nil || v["NAME"] == "" {
			return fmt.Errorf("%.60q is no block device", line)
		}
		if v["TYPE"] == "rom" || v["TYPE"] == "loop" || strings.HasPrefix(v["NAME"], "ram") {
			continue
		}
		p.host.BlockDevices = append(p.host.BlockDevices, inventory.BlockDevice{
			Name: v["NAME"], Parent: v["PKNAME"], Kind: v["TYPE"], Size: size, FS: v["FSTYPE"], Model: v["MODEL"],
		})
	}
	slices.SortFunc(p.host.BlockDevices, func(a, b inventory.BlockDevice) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Parent, b.Parent))
	})
	p.host.BlockDevices = slices.Compact(p.host.BlockDevices)
	return nil
}

func (p *parser) lvm(text string) error {
	for _, line := range lines(text) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) != 3 {
			return fmt.Errorf("%.60q is no logical volume", line)
		}
		size, err := strconv.ParseInt(f[2], 10, 64)
		if err != nil {
			return fmt.Errorf("read size of volume %s: %w", f[1], err)
		}
		p.host.Volumes = append(p.host.Volumes, inventory.Volume{Group: f[0], Name: f[1], Size: size})
	}
	slices.SortFunc(p.host.Volumes, func(a, b inventory.Volume) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Name, b.Name))
	})
	return nil
}

var (
	mdLine  = regexp.MustCompile(`^(md\S*) : (\S+)(?: \([a-z-]+\))?(?: (raid\d+|linear|multipath))? (.*)$`)
	mdState = regexp.MustCompile(`\[(\d+)/(\d+)\]`)
)

// raid reads /proc/mdstat.
func (p *parser) raid(text string) error {
	for _, line := range lines(text) {
		if m := mdLine.FindStringSubmatch(line); m != nil {
			a := inventory.Array{Name: m[1], State: m[2], Level: m[3]}
			for _, member := range strings.Fields(m[4]) {
				name, _, _ := strings.Cut(member, "[")
				a.Members = append(a.Members, name)
			}
			slices.Sort(a.Members)
			p.host.Arrays = append(p.host.Arrays, a)
		} else if m := mdState.FindStringSubmatch(line); m != nil && len(p.host.Arrays) > 0 {
			p.host.Arrays[len(p.host.Arrays)-1].Degraded = m[1] != m[2]
		}
	}
	slices.SortFunc(p.host.Arrays, func(a, b inventory.Array) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}

func (p *parser) swaps(text string) error {
	for i, line := range lines(text) {
		f := strings.Fields(line)
		if i == 0 {
			continue // the header
		}
		if len(f) < 3 {
			return fmt.Errorf("%.60q is no swap", line)
		}
		size, err := kibibytes(f[2])
		if err != nil {
			return fmt.Errorf("read size of swap: %w", err)
		}
		p.host.Swaps = append(p.host.Swaps, inventory.Swap{Path: unescapeMount(f[0]), Kind: f[1], Size: size})
	}
	slices.SortFunc(p.host.Swaps, func(a, b inventory.Swap) int { return cmp.Compare(a.Path, b.Path) })
	return nil
}

// fstab reads fstab(5).
func (p *parser) fstab(text string) {
	for _, line := range lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 || strings.HasPrefix(f[0], "#") {
			continue
		}
		options, _ := p.redactor.Command(f[3])
		p.host.Mounts = append(p.host.Mounts, inventory.Mount{Device: unescapeMount(f[0]), Mount: unescapeMount(f[1]), FS: f[2], Options: options})
	}
}
