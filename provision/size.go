package provision

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dcmigrate/migrate/report"
)

// sizeChoice is the size of a host's clone, with the reason for it.
type sizeChoice struct {
	Size   Size
	Reason string
	// Volumes hold what the size's disk is too small for.
	Volumes []Mount
	// Shortfall says what the size has less of than the source host (hazard H29). Only
	// an explicit size can have less. It is empty if the size is large enough.
	Shortfall string
}

// chooseSize returns the host's explicit size, or else the cheapest size of the region
// with at least the source host's CPUs, memory and disk.
func chooseSize(sizes []Size, region string, h HostSpec) (sizeChoice, error) {
	need := h.Facts
	if h.Size != "" {
		return explicitSize(sizes, region, h)
	}
	if need.CPUs < 1 || need.MemoryMiB < 1 || need.DiskGiB < 1 {
		return sizeChoice{}, report.WithHint(fmt.Errorf("choose a size for %s: the inventory knows %d CPUs, %d MiB memory, %d GiB disk", h.Name, need.CPUs, need.MemoryMiB, need.DiskGiB),
			"run migrate inventory capture, or set the host's size")
	}
	var fitting []Size
	for _, s := range sizes {
		if s.offered(region) && shortfall(s, need) == "" {
			fitting = append(fitting, s)
		}
	}
	if len(fitting) == 0 {
		fitting = withVolumes(sizes, region, h)
	}
	if len(fitting) == 0 {
		return sizeChoice{}, report.WithHint(fmt.Errorf("choose a size for %s: no size in region %s has %s", h.Name, region, need),
			"set the host's size if less is enough, its volume to the folder that a volume can hold if the disk decides, or choose another region")
	}
	best := slices.MinFunc(fitting, func(a, b Size) int {
		return cmp.Or(cmp.Compare(a.MonthlyPrice, b.MonthlyPrice), cmp.Compare(b.MemoryMiB, a.MemoryMiB),
			cmp.Compare(b.CPUs, a.CPUs), cmp.Compare(a.Slug, b.Slug))
	})
	c := sizeChoice{Size: best, Reason: fmt.Sprintf("the cheapest in %s with at least %s", region, need)}
	if c.Volumes, _ = volumesFor(h, best.DiskGiB); len(c.Volumes) > 0 {
		c.Reason += ", its disk with volumes"
	}
	return c, nil
}

// withVolumes returns the sizes that are large enough once volumes take a part of the disk.
func withVolumes(sizes []Size, region string, h HostSpec) (fitting []Size) {
	for _, s := range sizes {
		rest := h.Facts
		rest.DiskGiB = 0
		if _, ok := volumesFor(h, s.DiskGiB); ok && s.offered(region) && shortfall(s, rest) == "" {
			fitting = append(fitting, s)
		}
	}
	return fitting
}

func explicitSize(sizes []Size, region string, h HostSpec) (sizeChoice, error) {
	i := slices.IndexFunc(sizes, func(s Size) bool { return s.Slug == h.Size })
	if i < 0 {
		return sizeChoice{}, report.WithHint(fmt.Errorf("size of %s: the vendor has no size %s", h.Name, h.Size),
			"leave the host's size out to have one chosen")
	}
	if !sizes[i].offered(region) {
		return sizeChoice{}, report.WithHint(fmt.Errorf("size of %s: %s is not available in region %s", h.Name, h.Size, region),
			"leave the host's size out to have one chosen, or choose another region")
	}
	c := sizeChoice{Size: sizes[i], Reason: "as configured"}
	rest := h.Facts
	if c.Volumes, _ = volumesFor(h, c.Size.DiskGiB); len(c.Volumes) > 0 {
		c.Reason += ", with volumes"
		rest.DiskGiB = 0
	}
	c.Shortfall = shortfall(c.Size, rest)
	return c, nil
}

func (s Size) offered(region string) bool {
	return s.Available && slices.Contains(s.Regions, region)
}

// shortfall says what s has less of than the source; "" if s is large enough.
func shortfall(s Size, need Facts) string {
	switch {
	case s.DiskGiB < need.DiskGiB:
		return fmt.Sprintf("%d GiB disk instead of %d GiB", s.DiskGiB, need.DiskGiB)
	case s.MemoryMiB < need.MemoryMiB:
		return fmt.Sprintf("%d MiB memory instead of %d MiB", s.MemoryMiB, need.MemoryMiB)
	case s.CPUs < need.CPUs:
		return fmt.Sprintf("%d CPUs instead of %d", s.CPUs, need.CPUs)
	}
	return ""
}

// String lists the facts that decide on a size.
func (f Facts) String() string {
	return fmt.Sprintf("%d CPUs, %d MiB memory, %d GiB disk", f.CPUs, f.MemoryMiB, f.DiskGiB)
}

// chooseSizes asks the vendor for its sizes once, and chooses one for each host by name.
func chooseSizes(ctx context.Context, c Catalog, site Site) (map[string]sizeChoice, error) {
	sizes, err := c.Sizes(ctx)
	if err != nil {
		return nil, fmt.Errorf("list sizes: %w", err)
	}
	if !slices.ContainsFunc(sizes, func(s Size) bool { return s.offered(site.Region) }) {
		return nil, report.WithHint(fmt.Errorf("the vendor has no region %s, or makes nothing new there", site.Region), "set provision.digitalocean.region to another one, such as fra1")
	}
	choices := make(map[string]sizeChoice, len(site.Hosts))
	var errs []error
	for _, h := range site.Hosts {
		choices[h.Name], err = chooseSize(sizes, site.Region, h)
		errs = append(errs, err)
	}
	return choices, errors.Join(errs...)
}
