package dosim

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
)

const (
	maxVolumeGB       = 16384
	volumesPerDroplet = 15
)

var volumeNamePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

// volume is a disk that the API has; hosts of the lab do not see it.
type volume struct {
	ID              string   `json:"id"`
	Name            string   `json:"name"`
	Description     string   `json:"description"`
	SizeGB          int      `json:"size_gigabytes"`
	CreatedAt       string   `json:"created_at"`
	DropletIDs      []int    `json:"droplet_ids"`
	Region          *region  `json:"region"`
	FilesystemType  string   `json:"filesystem_type"`
	FilesystemLabel string   `json:"filesystem_label"`
	Tags            []string `json:"tags"`

	pending *action
}

func (s *Sim) listVolumes(r *http.Request) (int, any, error) {
	query := r.URL.Query()
	var out []*volume
	for _, v := range sortedValues(s.volumes) {
		if (query.Get("name") == "" || v.Name == query.Get("name")) && (query.Get("region") == "" || v.Region.Slug == query.Get("region")) {
			out = append(out, v)
		}
	}
	return page(r, "volumes", out)
}

type volumeCreate struct {
	Name            string   `json:"name"`
	Description     string   `json:"description"`
	SizeGB          number   `json:"size_gigabytes"`
	Region          string   `json:"region"`
	SnapshotID      string   `json:"snapshot_id"`
	FilesystemType  string   `json:"filesystem_type"`
	FilesystemLabel string   `json:"filesystem_label"`
	Tags            []string `json:"tags"`
}

func conflict(message string) error {
	return &apiError{status: http.StatusConflict, id: "conflict", message: message}
}

func (s *Sim) createVolume(r *http.Request) (int, any, error) {
	var in volumeCreate
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	if in.SnapshotID != "" {
		from := s.snapshots[in.SnapshotID]
		if from == nil || from.ResourceType != "volume" {
			return 0, nil, notFound()
		}
		if in.Region == "" {
			in.Region = from.Regions[0]
		}
		if in.SizeGB = max(in.SizeGB, 0); int(in.SizeGB) < from.MinDiskSize && in.SizeGB > 0 {
			return 0, nil, unprocessable("size_gigabytes must be at least that of the snapshot, %d", from.MinDiskSize)
		}
		if in.SizeGB == 0 {
			in.SizeGB = number(from.MinDiskSize)
		}
	}
	if err := s.checkVolume(in); err != nil {
		return 0, nil, err
	}
	v := &volume{
		ID: newUUID(), Name: in.Name, Description: in.Description, SizeGB: int(in.SizeGB), CreatedAt: timestamp(s.options.Now()), DropletIDs: []int{},
		Region: s.region(in.Region), FilesystemType: in.FilesystemType, FilesystemLabel: in.FilesystemLabel, Tags: append([]string{}, s.canonicalTags(in.Tags)...),
	}
	s.volumes[v.ID] = v
	return object(http.StatusCreated, "volume", v)
}

func (s *Sim) checkVolume(in volumeCreate) error {
	region := s.region(in.Region)
	switch {
	case !volumeNamePattern.MatchString(in.Name):
		return unprocessable("invalid volume name: it must be lowercase and alphanumeric, begin with a letter and be at most 64 characters long")
	case in.SizeGB < 1 || in.SizeGB > maxVolumeGB:
		return unprocessable("size_gigabytes must be between 1 and %d", maxVolumeGB)
	case region == nil || !region.Available || !slices.Contains(region.Features, "storage"):
		return unprocessable("region is invalid")
	case in.FilesystemType != "" && in.FilesystemType != "ext4" && in.FilesystemType != "xfs":
		return unprocessable("filesystem_type must be ext4 or xfs")
	case s.volumeNamed(in.Name, in.Region) != nil:
		return conflict("a volume with that name already exists in this region")
	case len(s.volumes) >= s.options.Limits.Volumes:
		return forbidden("failed to create volume: volume/snapshot capacity limit exceeded")
	}
	return s.ensureTags(in.Tags)
}

func (s *Sim) volumeNamed(name, region string) *volume {
	for _, v := range s.volumes {
		if v.Name == name && v.Region.Slug == region {
			return v
		}
	}
	return nil
}

func (s *Sim) volumeAt(r *http.Request) (*volume, error) {
	if v := s.volumes[r.PathValue("volume")]; v != nil {
		return v, nil
	}
	return nil, notFound()
}

func (s *Sim) getVolume(r *http.Request) (int, any, error) {
	v, err := s.volumeAt(r)
	if err != nil {
		return 0, nil, err
	}
	return object(http.StatusOK, "volume", v)
}

func (s *Sim) deleteVolume(r *http.Request) (int, any, error) {
	v, err := s.volumeAt(r)
	if err != nil {
		return 0, nil, err
	}
	return s.dropVolume(v)
}

func (s *Sim) deleteVolumeByName(r *http.Request) (int, any, error) {
	v := s.volumeNamed(r.URL.Query().Get("name"), r.URL.Query().Get("region"))
	if v == nil {
		return 0, nil, notFound()
	}
	return s.dropVolume(v)
}

func (s *Sim) dropVolume(v *volume) (int, any, error) {
	if len(v.DropletIDs) > 0 || v.pending != nil {
		return 0, nil, conflict("The volume cannot be deleted while it is attached to a Droplet.")
	}
	delete(s.volumes, v.ID)
	return noContent()
}

// getVolumePart answers what is below a volume. A volume's snapshot stands at the same
// depth: /v2/volumes/snapshots/ID.
func (s *Sim) getVolumePart(r *http.Request) (int, any, error) {
	part := r.PathValue("part")
	switch {
	case r.PathValue("volume") == "snapshots":
		r.SetPathValue("snapshot", part)
		return s.getSnapshot("volume")(r)
	case part == "actions":
		return s.listVolumeActions(r)
	case part == "snapshots":
		return s.listVolumeSnapshots(r)
	}
	return 0, nil, notFound()
}

func (s *Sim) listVolumeSnapshots(r *http.Request) (int, any, error) {
	v, err := s.volumeAt(r)
	if err != nil {
		return 0, nil, err
	}
	var out []*snapshot
	for _, one := range sortedValues(s.snapshots) {
		if one.ResourceID == v.ID {
			out = append(out, one)
		}
	}
	return page(r, "snapshots", out)
}

func (s *Sim) snapshotVolume(r *http.Request) (int, any, error) {
	v, err := s.volumeAt(r)
	if err != nil {
		return 0, nil, err
	}
	var in struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	if in.Name == "" {
		return 0, nil, unprocessable("Name can't be blank")
	}
	if err := s.ensureTags(in.Tags); err != nil {
		return 0, nil, err
	}
	one := &snapshot{
		ID: newUUID(), Name: in.Name, CreatedAt: timestamp(s.options.Now()), Regions: []string{v.Region.Slug}, MinDiskSize: v.SizeGB,
		ResourceID: v.ID, ResourceType: "volume", Tags: append([]string{}, s.canonicalTags(in.Tags)...),
	}
	s.snapshots[one.ID] = one
	return object(http.StatusCreated, "snapshot", one)
}

// checkNewVolumes refuses volumes that a new droplet cannot have.
func (s *Sim) checkNewVolumes(d *droplet, in dropletCreate) error {
	if len(in.Volumes) > 0 && len(in.Names) > 1 {
		return unprocessable("Volumes can only be attached to a single Droplet.")
	}
	for _, id := range in.Volumes {
		v := s.volumes[string(id)]
		if v == nil {
			return unprocessable("Volume %s was not found", id)
		}
		if err := checkAttach(v, d); err != nil {
			return err
		}
	}
	return nil
}

// checkAttach returns the reason why a volume cannot be attached to a droplet.
func checkAttach(v *volume, d *droplet) error {
	switch {
	case v.Region != d.region:
		return unprocessable("The volume and the Droplet are in different regions.")
	case len(v.DropletIDs) > 0:
		return unprocessable("The volume is already attached to Droplet %d.", v.DropletIDs[0])
	case len(d.volumes) >= volumesPerDroplet:
		return unprocessable("The Droplet already has the maximum number of volumes, %d.", volumesPerDroplet)
	}
	return nil
}

func (s *Sim) attach(v *volume, d *droplet) {
	v.DropletIDs = []int{d.id}
	d.volumes = append(d.volumes, v.ID)
}

func (s *Sim) detach(v *volume) {
	for _, id := range v.DropletIDs {
		if d := s.droplets[id]; d != nil {
			d.volumes = without(d.volumes, v.ID)
		}
	}
	v.DropletIDs = []int{}
}

type volumeAction struct {
	Type       string `json:"type"`
	Name       string `json:"volume_name"`
	Region     string `json:"region"`
	DropletID  number `json:"droplet_id"`
	SizeGB     number `json:"size_gigabytes"`
	ofVolume   *volume
	theDroplet *droplet
}

func (s *Sim) createVolumeAction(r *http.Request) (int, any, error) {
	v, err := s.volumeAt(r)
	if err != nil {
		return 0, nil, err
	}
	var in volumeAction
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	in.ofVolume = v
	return s.startVolumeAction(in)
}

// createVolumeActionByName attaches and detaches a volume that the body names.
func (s *Sim) createVolumeActionByName(r *http.Request) (int, any, error) {
	var in volumeAction
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	for _, v := range sortedValues(s.volumes) {
		if v.Name == in.Name && (in.Region == "" || v.Region.Slug == in.Region) {
			in.ofVolume = v
		}
	}
	if in.ofVolume == nil || in.Type == "resize" {
		return 0, nil, notFound()
	}
	return s.startVolumeAction(in)
}

func (s *Sim) startVolumeAction(in volumeAction) (int, any, error) {
	v := in.ofVolume
	if in.Type != "resize" {
		if in.theDroplet = s.droplets[int(in.DropletID)]; in.theDroplet == nil {
			return 0, nil, notFound()
		}
	}
	if err := in.refusal(); err != nil {
		return 0, nil, err
	}
	a := &action{
		ID: s.nextID(), Status: actionInProgress, Type: in.Type + "_volume", StartedAt: timestamp(s.options.Now()),
		ResourceType: "volume", Region: v.Region, RegionSlug: v.Region.Slug, volume: v.ID,
	}
	s.actions[a.ID] = a
	v.pending = a
	if in.theDroplet != nil {
		in.theDroplet.pending = a
	}
	shown := *a
	s.finishLater(a, in.theDroplet, func() error {
		v.pending = nil
		switch in.Type {
		case "attach":
			if s.droplets[int(in.DropletID)] == nil {
				return notFound()
			}
			s.attach(v, in.theDroplet)
		case "detach":
			s.detach(v)
		case "resize":
			v.SizeGB = int(in.SizeGB)
		}
		return nil
	})
	return object(http.StatusAccepted, "action", &shown)
}

// refusal returns the reason why the vendor refuses the action.
func (in volumeAction) refusal() error {
	v, d := in.ofVolume, in.theDroplet
	switch {
	case v.pending != nil:
		return unprocessable("Volume already has a pending event.")
	case d != nil && d.pending != nil:
		return errPending()
	case in.Type == "attach":
		return checkAttach(v, d)
	case in.Type == "detach":
		if !slices.Contains(v.DropletIDs, d.id) {
			return unprocessable("Attachment not found")
		}
		return nil
	case in.Type != "resize":
		return unprocessable("The action %q is not available for this volume.", in.Type)
	case in.Region != "" && in.Region != v.Region.Slug:
		return unprocessable("The volume is in another region.")
	case int(in.SizeGB) <= v.SizeGB || in.SizeGB > maxVolumeGB:
		return unprocessable("size_gigabytes must be more than the present %s and at most %d", strconv.Itoa(v.SizeGB), maxVolumeGB)
	}
	return nil
}

func (s *Sim) listVolumeActions(r *http.Request) (int, any, error) {
	v, err := s.volumeAt(r)
	if err != nil {
		return 0, nil, err
	}
	return page(r, "actions", s.newestFirst(func(a *action) bool { return a.volume == v.ID }))
}

func (s *Sim) getVolumeAction(r *http.Request) (int, any, error) {
	v, err := s.volumeAt(r)
	if err != nil {
		return 0, nil, err
	}
	a := s.actions[idOf(r, "action")]
	if a == nil || a.volume != v.ID {
		return 0, nil, notFound()
	}
	return object(http.StatusOK, "action", a)
}
