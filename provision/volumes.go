package provision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// maxVolumeGiB is the largest volume that the vendor makes.
const maxVolumeGiB = 16384

// Mount is a filesystem of a source host besides its root, with the room that its clone needs.
type Mount struct {
	Path string
	GiB  int
}

// Volume is a disk besides a droplet's own.
type Volume struct {
	ID, Name, Region string
	GiB              int
}

// volumeFor is a volume of a host, and where it is mounted.
type volumeFor struct {
	Volume
	Path string
}

// volumesFor returns the volumes that a host needs with a disk of that many GiB: one for
// the configured folder, or else one for each of the source's filesystems besides its
// root. It returns false if what is left does not fit on the disk.
func volumesFor(h HostSpec, diskGiB int) ([]Mount, bool) {
	need := h.Facts.DiskGiB
	switch {
	case diskGiB >= need:
		return nil, true
	case h.Volume != "":
		return []Mount{{h.Volume, need}}, need <= maxVolumeGiB
	}
	for _, m := range h.Facts.Mounts {
		need -= m.GiB
		if m.GiB > maxVolumeGiB {
			return nil, false
		}
	}
	if len(h.Facts.Mounts) == 0 || need > diskGiB {
		return nil, false
	}
	return h.Facts.Mounts, true
}

// volumes returns the volumes of the chosen sizes, by host name.
func (s Site) volumes(choices map[string]sizeChoice) map[string][]volumeFor {
	out := map[string][]volumeFor{}
	for _, h := range s.Hosts {
		for i, m := range choices[h.Name].Volumes {
			name := strings.ToLower(strings.ReplaceAll(fmt.Sprintf("%s-%s-%d", s.resourceName(), h.Name, i+1), ".", "-"))
			out[h.Name] = append(out[h.Name], volumeFor{Volume{Name: name, Region: s.Region, GiB: m.GiB}, m.Path})
		}
	}
	return out
}

// maxVolumeName is the longest name of a volume.
const maxVolumeName = 64

// volumesOp makes the site's volumes, which are attached to the droplets as these are made.
type volumesOp struct {
	cloud    Volumes
	want     []Volume
	interval time.Duration
}

// volumeSteps returns the step that makes the site's volumes, or none.
func volumeSteps(cloud Volumes, site Site, choices map[string]sizeChoice, interval time.Duration) ([]plan.Step, error) {
	op := &volumesOp{cloud: cloud, interval: interval}
	var parts []string
	of := site.volumes(choices)
	for _, h := range site.Hosts {
		for _, v := range of[h.Name] {
			if len(v.Name) > maxVolumeName {
				return nil, report.WithHint(fmt.Errorf("volume of %s: the name %s is longer than %d characters", h.Name, v.Name, maxVolumeName), "choose a shorter id")
			}
			op.want = append(op.want, v.Volume)
			parts = append(parts, fmt.Sprintf("%s of %d GiB for %s of %s", v.Name, v.GiB, v.Path, h.Name))
		}
	}
	if len(op.want) == 0 {
		return nil, nil
	}
	return []plan.Step{{Name: "volumes", Summary: "make volumes: " + strings.Join(parts, ", "), Op: op}}, nil
}

// find returns those of the wanted volumes that exist.
func (op *volumesOp) find(ctx context.Context) ([]Volume, error) {
	all, err := op.cloud.Volumes(ctx, op.want[0].Region)
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	var found []Volume
	for _, want := range op.want {
		i := slices.IndexFunc(all, func(v Volume) bool { return v.Name == want.Name })
		if i < 0 {
			continue
		}
		if all[i].GiB < want.GiB {
			return nil, report.WithHint(fmt.Errorf("volume %s has %d GiB, the site needs %d", want.Name, all[i].GiB, want.GiB), "resize it in the control panel, or delete it if it is empty")
		}
		found = append(found, all[i])
	}
	return found, nil
}

// volumesBefore holds the names of the volumes that existed.
type volumesBefore struct {
	Volumes []string `json:"volumes"`
}

func (op *volumesOp) Check(ctx context.Context) (plan.State, error) {
	found, err := op.find(ctx)
	if err != nil {
		return plan.State{}, err
	}
	before := volumesBefore{[]string{}}
	for _, v := range found {
		before.Volumes = append(before.Volumes, v.Name)
	}
	s := plan.State{Done: len(found) == len(op.want), Now: fmt.Sprintf("%d of %d volumes", len(found), len(op.want)), Want: fmt.Sprintf("%d volumes", len(op.want))}
	s.Before, err = json.Marshal(before)
	return s, err
}

// Apply makes the missing volumes. Their names are unique in a region, so a lost answer
// doubles none.
func (op *volumesOp) Apply(ctx context.Context) error {
	found, err := op.find(ctx)
	if err != nil {
		return err
	}
	for _, want := range op.want {
		if slices.ContainsFunc(found, func(v Volume) bool { return v.Name == want.Name }) {
			continue
		}
		if err := op.cloud.CreateVolume(ctx, want); err != nil {
			return fmt.Errorf("make volume %s: %w", want.Name, err)
		}
	}
	return nil
}

func (op *volumesOp) Verify(ctx context.Context) error {
	found, err := op.find(ctx)
	if err == nil && len(found) < len(op.want) {
		err = fmt.Errorf("%d of %d volumes are there", len(found), len(op.want))
	}
	return err
}

// Undo deletes the volumes that this step made, once their droplets have let go of them.
func (op *volumesOp) Undo(ctx context.Context, before json.RawMessage) error {
	was, err := ReadBefore[volumesBefore](before)
	if err != nil {
		return err
	}
	found, err := op.find(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, vpcDrainTimeout)
	defer cancel()
	for _, v := range found {
		if slices.Contains(was.Volumes, v.Name) {
			continue
		}
		err := Poll(ctx, op.interval, func(ctx context.Context) (bool, error) {
			err := op.cloud.DeleteVolume(ctx, v.ID)
			if errors.Is(err, ErrInUse) {
				return false, nil
			}
			return err == nil, err
		})
		if err != nil {
			return report.WithHint(fmt.Errorf("delete volume %s: %w", v.Name, err), "a droplet may have it: see the control panel")
		}
	}
	return nil
}

// volumeIDs returns the ids of a host's volumes, which must exist.
func (op *dropletsOp) volumeIDs(all []Volume, host string) ([]string, error) {
	var ids []string
	for _, want := range op.volumes[host] {
		i := slices.IndexFunc(all, func(v Volume) bool { return v.Name == want.Name })
		if i < 0 {
			return nil, fmt.Errorf("make droplet %s: volume %s is not there", host, want.Name)
		}
		ids = append(ids, all[i].ID)
	}
	return ids, nil
}
