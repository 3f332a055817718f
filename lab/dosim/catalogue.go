package dosim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// region is a datacenter region.
type region struct {
	Name      string   `json:"name"`
	Slug      string   `json:"slug"`
	Features  []string `json:"features"`
	Available bool     `json:"available"`
	Sizes     []string `json:"sizes"` // slugs
}

// Size is a droplet size; memory in MiB, disk in GiB, transfer in TB, prices in dollars.
type Size struct {
	Slug         string   `json:"slug"`
	Memory       int      `json:"memory"`
	VCPUs        int      `json:"vcpus"`
	Disk         int      `json:"disk"`
	Transfer     float64  `json:"transfer"`
	PriceMonthly float64  `json:"price_monthly"`
	PriceHourly  float64  `json:"price_hourly"`
	Regions      []string `json:"regions"` // slugs
	Available    bool     `json:"available"`
	Description  string   `json:"description"`
}

// image is an operating system image; sizes in GB.
type image struct {
	ID            int       `json:"id"`
	Name          string    `json:"name"`
	Type          string    `json:"type"`
	Distribution  string    `json:"distribution"`
	Slug          imageSlug `json:"slug"`
	Public        bool      `json:"public"`
	Regions       []string  `json:"regions"`
	CreatedAt     time.Time `json:"created_at"`
	MinDiskSize   int       `json:"min_disk_size"`
	SizeGigabytes float64   `json:"size_gigabytes"`
	Description   string    `json:"description"`
	Tags          []string  `json:"tags"`
	Status        string    `json:"status"`
}

// imageSlug is null in JSON for an image of the account.
type imageSlug string

// MarshalJSON implements json.Marshaler.
func (s imageSlug) MarshalJSON() ([]byte, error) {
	if s == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(s))
}

// defaultRegions returns regions that the vendor has; sfo1 is closed to new droplets.
func defaultRegions() []region {
	var out []region
	for _, r := range []struct{ slug, name string }{
		{"nyc1", "New York 1"},
		{"nyc3", "New York 3"},
		{"sfo1", "San Francisco 1"},
		{"sfo3", "San Francisco 3"},
		{"ams3", "Amsterdam 3"},
		{"fra1", "Frankfurt 1"},
		{"lon1", "London 1"},
		{"sgp1", "Singapore 1"},
		{"tor1", "Toronto 1"},
		{"blr1", "Bangalore 1"},
		{"syd1", "Sydney 1"},
	} {
		features := []string{"backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer"}
		out = append(out, region{Name: r.name, Slug: r.slug, Features: features, Available: r.slug != "sfo1"})
	}
	return out
}

// defaultSizes returns the vendor's basic and some general purpose sizes, with its prices.
func defaultSizes() []Size {
	var out []Size
	for _, z := range []struct {
		vcpus, memory, disk int
		transfer, monthly   float64
		slug, description   string
	}{
		{1, 512, 10, 0.5, 4, "s-1vcpu-512mb-10gb", "Basic"},
		{1, 1024, 25, 1, 6, "s-1vcpu-1gb", "Basic"},
		{1, 2048, 50, 2, 12, "s-1vcpu-2gb", "Basic"},
		{2, 2048, 60, 3, 18, "s-2vcpu-2gb", "Basic"},
		{2, 4096, 80, 4, 24, "s-2vcpu-4gb", "Basic"},
		{4, 8192, 160, 5, 48, "s-4vcpu-8gb", "Basic"},
		{2, 8192, 25, 4, 63, "g-2vcpu-8gb", "General Purpose"},
		{8, 16384, 320, 6, 96, "s-8vcpu-16gb", "Basic"},
		{4, 16384, 50, 5, 126, "g-4vcpu-16gb", "General Purpose"},
		{8, 32768, 100, 6, 252, "g-8vcpu-32gb", "General Purpose"},
	} {
		out = append(out, Size{
			Slug: z.slug, Memory: z.memory, VCPUs: z.vcpus, Disk: z.disk, Transfer: z.transfer,
			PriceMonthly: z.monthly, PriceHourly: float64(int(z.monthly/672*100000+0.5)) / 100000, // the month is capped at 672 hours
			Available: true, Description: z.description,
		})
	}
	return out
}

// defaultImages returns distribution images by the vendor's slugs.
func defaultImages() []image {
	created := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var out []image
	for i, m := range []struct {
		slug               imageSlug
		distribution, name string
	}{
		{"debian-11-x64", "Debian", "11 x64"},
		{"debian-12-x64", "Debian", "12 x64"},
		{"debian-13-x64", "Debian", "13 x64"},
		{"ubuntu-20-04-x64", "Ubuntu", "20.04 (LTS) x64"},
		{"ubuntu-22-04-x64", "Ubuntu", "22.04 (LTS) x64"},
		{"ubuntu-24-04-x64", "Ubuntu", "24.04 (LTS) x64"},
		{"ubuntu-26-04-x64", "Ubuntu", "26.04 (LTS) x64"},
		{"rockylinux-9-x64", "Rocky Linux", "9 x64"},
	} {
		out = append(out, image{
			ID: 190_000_001 + i, Name: m.name, Type: "base", Distribution: m.distribution, Slug: m.slug, Public: true,
			CreatedAt: created, MinDiskSize: 7, SizeGigabytes: 2.36, Description: m.distribution + " " + m.name, Tags: []string{}, Status: "available",
		})
	}
	return out
}

// catalogue holds the account's regions, sizes and images.
type catalogue struct {
	regions []region
	sizes   []Size
	images  []image
}

// newCatalogue returns the defaults. All sizes and images are available in all open
// regions.
func newCatalogue() catalogue {
	c := catalogue{defaultRegions(), defaultSizes(), defaultImages()}
	var open, slugs []string
	for _, r := range c.regions {
		if r.Available {
			open = append(open, r.Slug)
		}
	}
	for i := range c.sizes {
		c.sizes[i].Regions = open
		slugs = append(slugs, c.sizes[i].Slug)
	}
	for i := range c.images {
		c.images[i].Regions = open
	}
	for i := range c.regions {
		c.regions[i].Sizes = []string{}
		if c.regions[i].Available {
			c.regions[i].Sizes = slugs
		}
	}
	return c
}

func (s *Sim) region(slug string) *region {
	for i := range s.catalogue.regions {
		if s.catalogue.regions[i].Slug == slug {
			return &s.catalogue.regions[i]
		}
	}
	return nil
}

func (s *Sim) size(slug string) *Size {
	for i := range s.catalogue.sizes {
		if s.catalogue.sizes[i].Slug == slug {
			return &s.catalogue.sizes[i]
		}
	}
	return nil
}

func (s *Sim) image(slugOrID string) *image {
	for i, m := range s.catalogue.images {
		if string(m.Slug) == slugOrID || strconv.Itoa(m.ID) == slugOrID {
			return &s.catalogue.images[i]
		}
	}
	if id, err := strconv.Atoi(slugOrID); err == nil {
		return s.ownImages[id]
	}
	return nil
}

func (s *Sim) listRegions(r *http.Request) (int, any, error) {
	return page(r, "regions", s.catalogue.regions)
}

func (s *Sim) listSizes(r *http.Request) (int, any, error) {
	return page(r, "sizes", s.catalogue.sizes)
}

func (s *Sim) listImages(r *http.Request) (int, any, error) {
	query := r.URL.Query()
	var found []image
	all := slices.Clone(s.catalogue.images)
	for _, m := range sortedValues(s.ownImages) {
		all = append(all, *m)
	}
	for _, m := range all {
		kind := query.Get("type") == "" || query.Get("type") == "distribution" && m.Type == "base"
		if kind && (query.Get("private") != "true" || !m.Public) &&
			(query.Get("tag_name") == "" || slices.Contains(m.Tags, query.Get("tag_name"))) {
			found = append(found, m)
		}
	}
	return page(r, "images", found)
}

func (s *Sim) getImage(r *http.Request) (int, any, error) {
	m := s.image(r.PathValue("image"))
	if m == nil {
		return 0, nil, notFound()
	}
	return object(http.StatusOK, "image", m)
}

func (s *Sim) getAccount(*http.Request) (int, any, error) {
	return object(http.StatusOK, "account", map[string]any{
		"droplet_limit": s.options.Limits.Droplets, "floating_ip_limit": s.options.Limits.ReservedIPs,
		"reserved_ip_limit": s.options.Limits.ReservedIPs, "volume_limit": s.options.Limits.Volumes,
		"email": "sre@lab.example", "name": "Lab", "uuid": s.options.Account,
		"email_verified": true, "status": "active", "status_message": "",
		"team": map[string]string{"uuid": s.options.Account, "name": "Lab"},
	})
}
