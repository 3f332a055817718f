package provision

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/dcmigrate/migrate/report"
)

// Choice is the size of a host's clone and why it is that one.
type Choice struct {
	Size   Size
	Reason string
	// Smaller says in what the size is smaller than the source host (hazard H29);
	// only an explicit size can be. Empty when it is not.
	Smaller string
}

// ChooseSize returns the cheapest size of the region that is not smaller than
// the source host in CPUs, memory or disk, or the host's explicit size.
func ChooseSize(sizes []Size, region string, h HostSpec) (Choice, error) {
	need := h.Facts
	if h.Size != "" {
		return explicitSize(sizes, region, h)
	}
	if need.CPUs < 1 || need.MemoryMiB < 1 || need.DiskGiB < 1 {
		return Choice{}, report.WithHint(fmt.Errorf("choose a size for %s: the inventory knows %d CPUs, %d MiB memory, %d GiB disk", h.Name, need.CPUs, need.MemoryMiB, need.DiskGiB),
			"run migrate inventory capture, or set the host's size")
	}
	var fits []Size
	for _, s := range sizes {
		if s.offered(region) && smaller(s, need) == "" {
			fits = append(fits, s)
		}
	}
	if len(fits) == 0 {
		return Choice{}, report.WithHint(fmt.Errorf("choose a size for %s: no size in region %s has %s", h.Name, region, need),
			"set the host's size if less is enough, or choose another region")
	}
	best := slices.MinFunc(fits, func(a, b Size) int {
		return cmp.Or(cmp.Compare(a.MonthlyPrice, b.MonthlyPrice), cmp.Compare(b.MemoryMiB, a.MemoryMiB),
			cmp.Compare(b.CPUs, a.CPUs), cmp.Compare(a.Slug, b.Slug))
	})
	return Choice{Size: best, Reason: fmt.Sprintf("the cheapest in %s with at least %s", region, need)}, nil
}

func explicitSize(sizes []Size, region string, h HostSpec) (Choice, error) {
	i := slices.IndexFunc(sizes, func(s Size) bool { return s.Slug == h.Size })
	if i < 0 {
		return Choice{}, report.WithHint(fmt.Errorf("size of %s: the vendor has no size %s", h.Name, h.Size),
			"leave the host's size out to have one chosen")
	}
	if !sizes[i].offered(region) {
		return Choice{}, report.WithHint(fmt.Errorf("size of %s: %s is not available in region %s", h.Name, h.Size, region),
			"leave the host's size out to have one chosen, or choose another region")
	}
	return Choice{Size: sizes[i], Reason: "as configured", Smaller: smaller(sizes[i], h.Facts)}, nil
}

func (s Size) offered(region string) bool {
	return s.Available && slices.Contains(s.Regions, region)
}

// smaller says in what s is smaller than the source; "" when it is not.
func smaller(s Size, need Facts) string {
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

// String is the facts that decide on a size.
func (f Facts) String() string {
	return fmt.Sprintf("%d CPUs, %d MiB memory, %d GiB disk", f.CPUs, f.MemoryMiB, f.DiskGiB)
}

// chooseSizes asks the vendor once and chooses for every host.
func chooseSizes(ctx context.Context, c Catalog, site Site) (map[string]Choice, error) {
	sizes, err := c.Sizes(ctx)
	if err != nil {
		return nil, fmt.Errorf("list sizes: %w", err)
	}
	choices := make(map[string]Choice, len(site.Hosts))
	for _, h := range site.Hosts {
		if choices[h.Name], err = ChooseSize(sizes, site.Region, h); err != nil {
			return nil, err
		}
	}
	return choices, nil
}
