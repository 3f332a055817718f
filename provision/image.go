package provision

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/report"
)

// OS is a source host's operating system, as os-release and uname name it.
type OS struct {
	ID, Release, Like string // "ubuntu", "24.04", "debian"
	Name              string // for people: "Ubuntu 24.04.1 LTS"
	Architecture      string // "x86_64"
}

// imageReleases are the releases that migrate builds hosts of, by distribution.
var imageReleases = map[string][]string{
	"debian": {"11", "12", "13"},
	"ubuntu": {"20.04", "22.04", "24.04", "25.04", "25.10", "26.04"},
}

// rpmFamily are the distributions of RHEL's kind, which migrate cannot build hosts of yet.
var rpmFamily = []string{"rhel", "centos", "fedora", "rocky", "almalinux", "ol", "amzn", "scientific", "cloudlinux", "eurolinux", "virtuozzo"}

// ImageFor returns the vendor's image of a host's distribution and release.
func ImageFor(os OS) (string, error) {
	name := os.Name
	if name == "" {
		name = strings.TrimSpace(os.ID + " " + os.Release)
	}
	refuse := func(format string, args ...any) (string, error) {
		return "", report.WithHint(fmt.Errorf(format, args...), "set provision.digitalocean.image to an image that can take its place")
	}
	kinds := append([]string{os.ID}, strings.Fields(os.Like)...)
	releases, known := imageReleases[os.ID]
	switch {
	case os.ID == "":
		return "", report.WithHint(errors.New("its distribution is not in the inventory"), "run migrate inventory capture, or set provision.digitalocean.image")
	case slices.ContainsFunc(kinds, func(k string) bool { return slices.Contains(rpmFamily, k) }):
		return refuse("it runs %s: hosts of RHEL's kind are not built yet, only Debian and Ubuntu", name)
	case !known:
		return refuse("it runs %s: the vendor has no image of it that migrate can use, only Debian and Ubuntu", name)
	case !slices.Contains(releases, os.Release):
		return refuse("it runs %s: the vendor has no image of release %q; there are %s", name, os.Release, strings.Join(releases, ", "))
	case os.Architecture != "" && os.Architecture != "x86_64" && os.Architecture != "amd64":
		return refuse("it runs %s on %s: droplets are x86_64", name, os.Architecture)
	}
	return os.ID + "-" + strings.ReplaceAll(os.Release, ".", "-") + "-x64", nil
}

// chooseImages returns the image of each host by name: the configured one, or the one of
// its distribution and release. It asks the vendor for each image once.
func chooseImages(ctx context.Context, c Catalog, site Site, sizes map[string]sizeChoice) (map[string]string, error) {
	images := map[string]string{}
	var errs []error
	for _, h := range site.Hosts {
		image, err := site.Image, error(nil)
		if image == "" {
			image, err = ImageFor(h.OS)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("image of %s: %w", h.Name, err))
			continue
		}
		images[h.Name] = image
	}
	for _, slug := range slices.Compact(slices.Sorted(maps.Values(images))) {
		image, ok, err := c.Image(ctx, slug)
		if err != nil {
			return nil, fmt.Errorf("look up image %s: %w", slug, err)
		}
		errs = append(errs, site.checkImage(slug, image, ok, images, sizes))
	}
	return images, errors.Join(errs...)
}

// checkImage returns an error if hosts cannot be made from the image.
func (s Site) checkImage(slug string, image Image, exists bool, images map[string]string, sizes map[string]sizeChoice) error {
	switch {
	case !exists:
		return report.WithHint(fmt.Errorf("the vendor has no image %s", slug), "set provision.digitalocean.image to one that it has")
	case !slices.Contains(image.Regions, s.Region):
		return report.WithHint(fmt.Errorf("image %s is not available in region %s", slug, s.Region), "choose another region, or set provision.digitalocean.image")
	}
	for _, h := range s.Hosts {
		if size := sizes[h.Name].Size; images[h.Name] == slug && size.DiskGiB < image.MinDiskGiB {
			return report.WithHint(fmt.Errorf("image %s needs a disk of %d GiB, and size %s of %s has %d GiB", slug, image.MinDiskGiB, size.Slug, h.Name, size.DiskGiB),
				"choose a larger size for the host")
		}
	}
	return nil
}

// describeImages names the images, with their hosts if there are several.
func (op *dropletsOp) describeImages() string {
	by := map[string][]string{}
	for _, h := range op.site.Hosts {
		by[op.images[h.Name]] = append(by[op.images[h.Name]], h.Name)
	}
	var parts []string
	for _, image := range slices.Sorted(maps.Keys(by)) {
		if len(by) == 1 {
			return image
		}
		parts = append(parts, image+" ("+strings.Join(by[image], ", ")+")")
	}
	return strings.Join(parts, " and ")
}
