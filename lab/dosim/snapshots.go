package dosim

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// snapshot is one of a droplet, which is an image too and has its id, or of a volume.
type snapshot struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	CreatedAt    string   `json:"created_at"`
	Regions      []string `json:"regions"`
	MinDiskSize  int      `json:"min_disk_size"`
	SizeGB       float64  `json:"size_gigabytes"`
	ResourceID   string   `json:"resource_id"`
	ResourceType string   `json:"resource_type"`
	Tags         []string `json:"tags"`
}

// snapshotDroplet makes an image of a droplet. kind is snapshot or backup.
func (s *Sim) snapshotDroplet(d *droplet, name, kind string) {
	now := s.options.Now()
	if name == "" {
		name = d.name + "-" + strconv.FormatInt(now.UnixMilli(), 10)
	}
	m := &image{
		ID: s.nextID(), Name: name, Type: kind, Distribution: d.image.Distribution, Regions: []string{d.region.Slug},
		CreatedAt: now.UTC().Truncate(time.Second), MinDiskSize: d.disk, SizeGigabytes: d.image.SizeGigabytes, Tags: []string{}, Status: "available",
	}
	s.ownImages[m.ID] = m
	d.snapshots = append(d.snapshots, m.ID)
	s.snapshots[strconv.Itoa(m.ID)] = &snapshot{
		ID: strconv.Itoa(m.ID), Name: name, CreatedAt: timestamp(now), Regions: m.Regions, MinDiskSize: m.MinDiskSize, SizeGB: m.SizeGigabytes,
		ResourceID: strconv.Itoa(d.id), ResourceType: "droplet", Tags: []string{},
	}
}

func (s *Sim) listSnapshots(r *http.Request) (int, any, error) {
	kind := r.URL.Query().Get("resource_type")
	var out []*snapshot
	for _, one := range sortedValues(s.snapshots) {
		if kind == "" || one.ResourceType == kind {
			out = append(out, one)
		}
	}
	return page(r, "snapshots", out)
}

func (s *Sim) snapshotAt(r *http.Request, kind string) (*snapshot, error) {
	one := s.snapshots[r.PathValue("snapshot")]
	if one == nil || kind != "" && one.ResourceType != kind {
		return nil, notFound()
	}
	return one, nil
}

// getSnapshot and deleteSnapshot return handlers for snapshots of a kind; "" is any.
func (s *Sim) getSnapshot(kind string) handler {
	return func(r *http.Request) (int, any, error) {
		one, err := s.snapshotAt(r, kind)
		if err != nil {
			return 0, nil, err
		}
		return object(http.StatusOK, "snapshot", one)
	}
}

func (s *Sim) deleteSnapshot(kind string) handler {
	return func(r *http.Request) (int, any, error) {
		one, err := s.snapshotAt(r, kind)
		if err != nil {
			return 0, nil, err
		}
		s.dropSnapshot(one.ID)
		return noContent()
	}
}

func (s *Sim) dropSnapshot(id string) {
	delete(s.snapshots, id)
	number, err := strconv.Atoi(id)
	if err != nil {
		return // a volume's
	}
	delete(s.ownImages, number)
	for _, d := range s.droplets {
		d.snapshots, d.backups = without(d.snapshots, number), without(d.backups, number)
	}
}

// listDropletImages lists a droplet's snapshots or backups as the API shows them there.
func (s *Sim) listDropletImages(key, kind string) handler {
	return func(r *http.Request) (int, any, error) {
		d, err := s.dropletAt(r)
		if err != nil {
			return 0, nil, err
		}
		ids := d.snapshots
		if kind == "backup" {
			ids = d.backups
		}
		out := []map[string]any{}
		for _, id := range ids {
			m := s.ownImages[id]
			out = append(out, map[string]any{
				"id": m.ID, "name": m.Name, "created_at": timestamp(m.CreatedAt), "regions": m.Regions,
				"min_disk_size": m.MinDiskSize, "size_gigabytes": m.SizeGigabytes, "type": kind,
			})
		}
		return page(r, key, out)
	}
}

// ownImageAt returns an image of the account; those of the vendor cannot be changed.
func (s *Sim) ownImageAt(r *http.Request) (*image, error) {
	m := s.image(r.PathValue("image"))
	switch {
	case m == nil:
		return nil, notFound()
	case m.Public:
		return nil, forbidden("You are not authorized to perform this operation.")
	}
	return m, nil
}

func (s *Sim) createImage(r *http.Request) (int, any, error) {
	var in struct {
		Name         string   `json:"name"`
		URL          string   `json:"url"`
		Region       string   `json:"region"`
		Distribution string   `json:"distribution"`
		Description  string   `json:"description"`
		Tags         []string `json:"tags"`
	}
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	region := s.region(in.Region)
	switch {
	case in.Name == "" || in.URL == "":
		return 0, nil, unprocessable("Name and url can't be blank")
	case region == nil || !region.Available:
		return 0, nil, unprocessable("region is invalid")
	}
	if err := s.ensureTags(in.Tags); err != nil {
		return 0, nil, err
	}
	if in.Distribution == "" {
		in.Distribution = "Unknown OS"
	}
	m := &image{
		ID: s.nextID(), Name: in.Name, Type: "custom", Distribution: in.Distribution, Regions: []string{},
		CreatedAt: s.options.Now().UTC().Truncate(time.Second), Description: in.Description, Tags: append([]string{}, s.canonicalTags(in.Tags)...), Status: "NEW",
	}
	s.ownImages[m.ID] = m
	shown := *m
	s.finishLater(&action{}, nil, func() error {
		m.Status, m.Regions, m.MinDiskSize, m.SizeGigabytes = "available", []string{in.Region}, 15, 0.5
		return nil
	})
	return object(http.StatusAccepted, "image", &shown)
}

func (s *Sim) updateImage(r *http.Request) (int, any, error) {
	m, err := s.ownImageAt(r)
	if err != nil {
		return 0, nil, err
	}
	var in struct {
		Name         *string `json:"name"`
		Distribution *string `json:"distribution"`
		Description  *string `json:"description"`
	}
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	for into, value := range map[*string]*string{&m.Name: in.Name, &m.Distribution: in.Distribution, &m.Description: in.Description} {
		if value != nil {
			*into = *value
		}
	}
	if one := s.snapshots[strconv.Itoa(m.ID)]; one != nil {
		one.Name = m.Name
	}
	return object(http.StatusOK, "image", m)
}

func (s *Sim) deleteImage(r *http.Request) (int, any, error) {
	m, err := s.ownImageAt(r)
	if err != nil {
		return 0, nil, err
	}
	s.dropSnapshot(strconv.Itoa(m.ID))
	return noContent()
}

func (s *Sim) createImageAction(r *http.Request) (int, any, error) {
	m, err := s.ownImageAt(r)
	if err != nil {
		return 0, nil, err
	}
	var in struct {
		Type   string `json:"type"`
		Region string `json:"region"`
	}
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	region := s.region(in.Region)
	a := &action{ID: s.nextID(), Status: actionInProgress, Type: in.Type, StartedAt: timestamp(s.options.Now()), ResourceID: m.ID, ResourceType: "image"}
	switch {
	case in.Type == "convert" && m.Type == "backup":
	case in.Type != "transfer":
		return 0, nil, unprocessable("The action %q is not available for this image.", in.Type)
	case region == nil || !region.Available:
		return 0, nil, unprocessable("region is invalid")
	case slices.Contains(m.Regions, in.Region):
		return 0, nil, unprocessable("The image is already in this region.")
	}
	if region == nil {
		region = s.region(m.Regions[0])
	}
	a.Region, a.RegionSlug = region, region.Slug
	s.actions[a.ID] = a
	shown := *a
	s.finishLater(a, nil, func() error {
		if in.Type == "convert" {
			m.Type = "snapshot"
			return nil
		}
		m.Regions = append(slices.Clone(m.Regions), in.Region)
		return nil
	})
	return object(http.StatusCreated, "action", &shown)
}

func (s *Sim) listImageActions(r *http.Request) (int, any, error) {
	m := s.image(r.PathValue("image"))
	if m == nil {
		return 0, nil, notFound()
	}
	return page(r, "actions", s.newestFirst(func(a *action) bool { return a.ResourceType == "image" && a.ResourceID == m.ID }))
}

func (s *Sim) getImageAction(r *http.Request) (int, any, error) {
	a := s.actions[idOf(r, "action")]
	if a == nil || a.ResourceType != "image" || strconv.Itoa(a.ResourceID) != r.PathValue("image") {
		return 0, nil, notFound()
	}
	return object(http.StatusOK, "action", a)
}
