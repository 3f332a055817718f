package dosim

import (
	"encoding/json"
	"net/http"
	"slices"
)

type dropletAction struct {
	Type   string     `json:"type"`
	Name   string     `json:"name"`
	Size   string     `json:"size"`
	Disk   bool       `json:"disk"`
	Image  identifier `json:"image"`
	Policy any        `json:"backup_policy"`
}

func (s *Sim) createDropletAction(r *http.Request) (int, any, error) {
	d, err := s.dropletAt(r)
	if err != nil {
		return 0, nil, err
	}
	var in dropletAction
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	if err := s.checkAction(d, in); err != nil {
		return 0, nil, err
	}
	return object(http.StatusCreated, "action", s.startAction(d, in))
}

// actionsByTag are those that the vendor does for all droplets with a tag.
var actionsByTag = []string{
	"power_cycle", "power_on", "power_off", "shutdown", "enable_ipv6", "enable_backups", "disable_backups", "snapshot",
}

func (s *Sim) createActionsByTag(r *http.Request) (int, any, error) {
	var in dropletAction
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	name := r.URL.Query().Get("tag_name")
	if s.tags[name] == nil {
		return 0, nil, notFound()
	}
	var found []*droplet
	for _, d := range sortedValues(s.droplets) {
		if !slices.Contains(d.tags, name) {
			continue
		}
		if !slices.Contains(actionsByTag, in.Type) {
			return 0, nil, unprocessable("The action %q is not available by tag.", in.Type)
		}
		if err := s.checkAction(d, in); err != nil {
			return 0, nil, err
		}
		found = append(found, d)
	}
	out := []*action{}
	for _, d := range found {
		out = append(out, s.startAction(d, in))
	}
	return object(http.StatusCreated, "actions", out)
}

// checkAction returns the reason why an action is refused.
func (s *Sim) checkAction(d *droplet, in dropletAction) error {
	backups := slices.Contains(d.features, "backups")
	var refusal error
	switch in.Type {
	case "power_off", "power_on", "shutdown", "reboot", "power_cycle", "password_reset", "enable_private_networking":
	case "rename":
		if len(in.Name) > 255 || !dropletNamePattern.MatchString(in.Name) {
			refusal = unprocessable("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
		}
	case "resize":
		refusal = s.checkResize(d, in)
	case "rebuild", "restore":
		refusal = s.checkRebuild(d, in)
	case "snapshot", "enable_backups":
		if in.Type == "enable_backups" && backups {
			refusal = unprocessable("Backups are already enabled for this Droplet.")
		}
	case "disable_backups", "change_backup_policy":
		if !backups {
			refusal = unprocessable("Backups are not enabled for this Droplet.")
		}
	case "enable_ipv6":
		if d.publicV6.IsValid() {
			refusal = unprocessable("IPv6 is already enabled for this Droplet.")
		}
	default: // change_kernel too: kernels are inside the images
		refusal = unprocessable("The action %q is not available for this Droplet.", in.Type)
	}
	if refusal == nil && d.pending != nil {
		refusal = errPending()
	}
	return refusal
}

func (s *Sim) checkResize(d *droplet, in dropletAction) error {
	z := s.size(in.Size)
	switch {
	case z == nil || !z.Available:
		return unprocessable("You specified an invalid size for Droplet resize.")
	case !slices.Contains(z.Regions, d.region.Slug):
		return unprocessable("Size is not available in this region.")
	case z.Disk < d.disk:
		return unprocessable("This size is not available because it has a smaller disk.")
	case z == d.size && (!in.Disk || z.Disk == d.disk):
		return unprocessable("Droplet is already that size.")
	case d.status != statusOff:
		return unprocessable("Droplet must be powered off to be resized.")
	}
	return nil
}

func (s *Sim) checkRebuild(d *droplet, in dropletAction) error {
	m := s.image(string(in.Image))
	switch {
	case m == nil:
		return unprocessable("You specified an invalid image for Droplet %s.", in.Type)
	case !slices.Contains(m.Regions, d.region.Slug):
		return unprocessable("Image is not available in this region.")
	case m.MinDiskSize > d.disk:
		return unprocessable("The image needs a disk of %d GB.", m.MinDiskSize)
	case in.Type == "restore" && !slices.Contains(d.backups, m.ID) && !slices.Contains(d.snapshots, m.ID):
		return unprocessable("The image is no backup or snapshot of this Droplet.")
	}
	return nil
}

// startAction starts a checked action. A rebuilt or restored droplet shows its image, but
// its host in the lab stays as it is.
func (s *Sim) startAction(d *droplet, in dropletAction) *action {
	a := s.beginAction(d, in.Type)
	shown := *a // a copy, because the action may finish before the answer is written
	switch in.Type {
	case "power_off", "power_on", "shutdown", "reboot", "power_cycle":
		s.switchPowerInBackground(d, a)
	case "rename":
		d.name = in.Name
		s.finishAction(d, a, nil)
	default:
		s.finishLater(a, d, func() error { return s.doAction(d, in) })
	}
	return &shown
}

// doAction does what is not done by the Booter. The caller holds s.mu.
func (s *Sim) doAction(d *droplet, in dropletAction) error {
	switch in.Type {
	case "resize":
		if d.size = s.size(in.Size); in.Disk {
			d.disk = d.size.Disk
		}
	case "rebuild", "restore":
		d.image, d.status = s.image(string(in.Image)), statusActive
	case "snapshot":
		s.snapshotDroplet(d, in.Name, "snapshot")
	case "enable_backups":
		d.features = append(d.features, "backups")
		d.policy = in.Policy
	case "change_backup_policy":
		d.policy = in.Policy
	case "disable_backups":
		d.features, d.policy = without(d.features, "backups"), nil
	case "enable_ipv6":
		addr, ok := allocate(publicV6, s.addressInUse)
		if !ok {
			return unprocessable("Region is out of addresses")
		}
		d.publicV6 = addr
		d.features = append(d.features, "ipv6")
		s.enforceChangedRules()
	}
	slices.Sort(d.features)
	return nil
}

// backupPolicy is a droplet's policy of backups as the API shows it.
func (s *Sim) backupPolicy(d *droplet) json.RawMessage {
	text, err := json.Marshal(map[string]any{
		"droplet_id": d.id, "backup_enabled": slices.Contains(d.features, "backups"), "backup_policy": d.policy,
	})
	if err != nil {
		return nil // unreachable: the policy was JSON
	}
	return text
}

func (s *Sim) getBackupPolicy(r *http.Request) (int, any, error) {
	d, err := s.dropletAt(r)
	if err != nil {
		return 0, nil, err
	}
	return object(http.StatusOK, "policy", s.backupPolicy(d))
}
