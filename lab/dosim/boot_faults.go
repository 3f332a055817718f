package dosim

import (
	"context"
	"errors"
	"path"
	"slices"
)

// BootKind is what goes wrong when a droplet is started for the first time.
type BootKind int

// The kinds of boot faults.
const (
	BootFails          BootKind = iota + 1 // the create action ends as errored, the droplet stays new
	BootHangs                              // the create action never ends, until the droplet is deleted
	BootWithoutAddress                     // the droplet runs, and shows no address
)

// BootFault makes the first boot of droplets go wrong.
type BootFault struct {
	Droplet string // a pattern of path.Match for the droplet's name; "" is any
	Times   int    // number of droplets; 0 is one, negative is all
	Kind    BootKind
}

// errBootFault is the error of a boot that was made to fail.
var errBootFault = errors.New("the boot was made to fail")

// InjectBoot adds a fault for droplets that are made from now on.
func (s *Sim) InjectBoot(f BootFault) {
	if f.Times == 0 {
		f.Times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bootFaults = append(s.bootFaults, f)
}

// takeBootFault returns the fault for a new droplet, or 0, and counts it. The caller
// holds s.mu.
func (s *Sim) takeBootFault(name string) BootKind {
	for i, f := range s.bootFaults {
		if ok, err := path.Match(f.Droplet, name); f.Droplet != "" && (err != nil || !ok) {
			continue
		}
		if s.bootFaults[i].Times--; s.bootFaults[i].Times == 0 {
			s.bootFaults = slices.Delete(s.bootFaults, i, i+1)
		}
		return f.Kind
	}
	return 0
}

// hang waits until the droplet is deleted.
func (d *droplet) hang(ctx context.Context) error {
	select {
	case <-d.deleted:
		return errBootFault
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
