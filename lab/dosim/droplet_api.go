package dosim

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	maxNames    = 10
	maxUserData = 64 << 10
)

var dropletNamePattern = regexp.MustCompile(`^[a-zA-Z0-9]?[a-z0-9A-Z.\-]*[a-z0-9A-Z]$`)

type dropletCreate struct {
	Name     string       `json:"name"`
	Names    []string     `json:"names"`
	Region   string       `json:"region"`
	Size     string       `json:"size"`
	Image    identifier   `json:"image"`
	SSHKeys  []identifier `json:"ssh_keys"`
	Tags     []string     `json:"tags"`
	UserData string       `json:"user_data"`
	VPCUUID  string       `json:"vpc_uuid"`
	Volumes  []identifier `json:"volumes"`

	Backups    bool `json:"backups"`
	IPv6       bool `json:"ipv6"`
	Monitoring bool `json:"monitoring"`

	PublicNetworking *bool `json:"public_networking"` // nil is true
	BackupPolicy     any   `json:"backup_policy"`
}

func (s *Sim) createDroplets(r *http.Request) (int, any, error) {
	var in dropletCreate
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	many := in.Names != nil
	if !many {
		in.Names = []string{in.Name}
	}
	created, err := s.makeDroplets(in)
	if err != nil {
		return 0, nil, err
	}
	var views []dropletView
	actions := []actionLink{}
	for _, d := range created {
		views = append(views, d.view())
		actions = append(actions, d.pending.link(r, "create"))
	}
	links := map[string]any{"actions": actions}
	if many {
		return http.StatusAccepted, map[string]any{"droplets": views, "links": links}, nil
	}
	return http.StatusAccepted, map[string]any{"droplet": views[0], "links": links}, nil
}

// makeDroplets makes all droplets of a request, or none.
func (s *Sim) makeDroplets(in dropletCreate) ([]*droplet, error) {
	template, err := s.newTemplate(in)
	if err != nil {
		return nil, err
	}
	var created []*droplet
	discard := func() {
		for _, d := range created {
			delete(s.droplets, d.id)
		}
	}
	for _, name := range in.Names {
		d := &droplet{
			id: s.nextID(), name: name, region: template.region, size: template.size, image: template.image,
			status: statusNew, created: s.options.Now(), tags: slices.Clone(in.Tags), vpc: template.vpc,
			userData: in.UserData, keys: template.keys, features: slices.Clone(template.features),
			disk: template.size.Disk, policy: in.BackupPolicy, deleted: make(chan struct{}),
		}
		if !s.allocateAddresses(d, in) {
			discard()
			return nil, unprocessable("Region is out of addresses")
		}
		s.droplets[d.id] = d
		created = append(created, d)
	}
	if err := s.ensureTags(in.Tags); err != nil {
		discard()
		return nil, err
	}
	for _, id := range in.Volumes {
		s.attach(s.volumes[string(id)], created[0])
	}
	for _, d := range created {
		d.tags = s.canonicalTags(d.tags)
		s.bootInBackground(d)
	}
	return created, nil
}

func (s *Sim) allocateAddresses(d *droplet, in dropletCreate) bool {
	public, v6 := true, true
	if in.PublicNetworking == nil || *in.PublicNetworking {
		d.public, public = allocate(s.options.Public, s.addressInUse)
	}
	if in.IPv6 {
		d.publicV6, v6 = allocate(publicV6, s.addressInUse)
	}
	var private bool
	d.private, private = allocate(s.options.Private, s.addressInUse)
	return public && v6 && private
}

// newTemplate validates a request and returns a droplet with what all its droplets share.
func (s *Sim) newTemplate(in dropletCreate) (*droplet, error) {
	d := &droplet{size: s.size(in.Size), image: s.image(string(in.Image)), features: []string{"droplet_agent", "private_networking"}}
	switch {
	case len(in.Names) == 0:
		return nil, unprocessable("Name can't be blank")
	case len(in.Names) > maxNames:
		return nil, unprocessable("You can only create up to %d droplets at a time.", maxNames)
	case d.size == nil || !d.size.Available:
		return nil, unprocessable("You specified an invalid size for Droplet creation.")
	case d.image == nil:
		return nil, unprocessable("You specified an invalid image for Droplet creation.")
	case len(in.UserData) > maxUserData:
		return nil, unprocessable("user_data exceeds the limit of 64 KiB")
	case len(s.droplets)+len(s.destroying)+len(in.Names) > s.options.Limits.Droplets:
		return nil, unprocessable("creating this/these droplet(s) will exceed your droplet limit")
	}
	for _, name := range in.Names {
		if len(name) > 255 || !dropletNamePattern.MatchString(name) {
			return nil, unprocessable("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
		}
	}
	if err := s.chooseRegionAndVPC(d, in); err != nil {
		return nil, err
	}
	if err := s.checkNewVolumes(d, in); err != nil {
		return nil, err
	}
	var unknown []string
	for _, identifier := range in.SSHKeys {
		if k := s.key(string(identifier)); k != nil {
			d.keys = append(d.keys, k.PublicKey)
		} else {
			unknown = append(unknown, string(identifier))
		}
	}
	if len(unknown) > 0 {
		return nil, unprocessable("%s are invalid key identifiers for Droplet creation.", strings.Join(unknown, ", "))
	}
	for feature, wanted := range map[string]bool{"backups": in.Backups, "ipv6": in.IPv6, "monitoring": in.Monitoring} {
		if wanted {
			d.features = append(d.features, feature)
		}
	}
	slices.Sort(d.features)
	return d, nil
}

// chooseRegionAndVPC sets the region and the VPC of a template.
func (s *Sim) chooseRegionAndVPC(d *droplet, in dropletCreate) error {
	if in.VPCUUID != "" {
		if d.vpc = s.vpcs[in.VPCUUID]; d.vpc == nil {
			return unprocessable("VPC %s was not found", in.VPCUUID)
		}
		if in.Region == "" {
			in.Region = d.vpc.Region
		}
	}
	if in.Region == "" { // any region
		in.Region = d.size.Regions[0]
	}
	d.region = s.region(in.Region)
	switch {
	case d.region == nil:
		return unprocessable("You specified an invalid region for Droplet creation.")
	case !d.region.Available || !slices.Contains(d.size.Regions, in.Region):
		return unprocessable("Size is not available in this region.")
	case !slices.Contains(d.image.Regions, in.Region):
		return unprocessable("Image is not available in this region.")
	case d.vpc != nil && d.vpc.Region != in.Region:
		return unprocessable("VPC is not in the region of the Droplet")
	}
	if d.vpc == nil {
		d.vpc = s.defaultVPC(in.Region)
	}
	return nil
}

func (s *Sim) listDroplets(r *http.Request) (int, any, error) {
	query := r.URL.Query()
	name, tagged := query.Get("name"), query.Get("tag_name")
	if query.Get("type") == "gpus" {
		return page(r, "droplets", []dropletView{})
	}
	var views []dropletView
	for _, d := range sortedValues(s.droplets) {
		if (name == "" || strings.EqualFold(d.name, name)) && (tagged == "" || slices.Contains(d.tags, tagged)) {
			views = append(views, d.view())
		}
	}
	return page(r, "droplets", views)
}

// dropletAt returns the droplet that the path names.
func (s *Sim) dropletAt(r *http.Request) (*droplet, error) {
	if d := s.droplets[idOf(r, "id")]; d != nil {
		return d, nil
	}
	return nil, notFound()
}

func (s *Sim) getDroplet(r *http.Request) (int, any, error) {
	d, err := s.dropletAt(r)
	if err != nil {
		return 0, nil, err
	}
	return object(http.StatusOK, "droplet", d.view())
}

func (s *Sim) deleteDroplet(r *http.Request) (int, any, error) {
	d, err := s.dropletAt(r)
	if err != nil {
		return 0, nil, err
	}
	if d.pending != nil && !d.hanging {
		return 0, nil, errPending()
	}
	s.destroyInBackground(d)
	s.enforceChangedRules()
	return noContent()
}

// deleteDropletsByTag deletes all droplets with the tag, or none if one of them has a
// pending action.
func (s *Sim) deleteDropletsByTag(r *http.Request) (int, any, error) {
	name := r.URL.Query().Get("tag_name")
	if name == "" {
		return 0, nil, unprocessable("tag_name is required")
	}
	if s.tags[name] == nil {
		return 0, nil, notFound()
	}
	var found []*droplet
	for _, d := range sortedValues(s.droplets) {
		if slices.Contains(d.tags, name) {
			if d.pending != nil && !d.hanging {
				return 0, nil, errPending()
			}
			found = append(found, d)
		}
	}
	for _, d := range found {
		s.destroyInBackground(d)
	}
	s.enforceChangedRules()
	return noContent()
}

func errPending() error { return unprocessable("Droplet already has a pending event.") }

// urn identifies a droplet among all kinds of resources.
func (d *droplet) urn() string { return "do:droplet:" + strconv.Itoa(d.id) }
