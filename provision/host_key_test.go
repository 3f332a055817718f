package provision_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/provision/provisiontest"
	"github.com/dcmigrate/migrate/remote"
)

var errCrash = errors.New("crashed here")

// crashingHosts cancels the step at the nth command on a target: before the command
// runs, or after it ran and before the step learns its result.
type crashingHosts struct {
	provision.Hosts
	left   *int // commands until the crash
	after  bool
	cancel context.CancelCauseFunc
}

func (d crashingHosts) Target(name string) remote.Host { return crashingHost{d.Hosts.Target(name), d} }

type crashingHost struct {
	remote.Host
	crash crashingHosts
}

func (h crashingHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	*h.crash.left--
	if *h.crash.left > 0 {
		return h.Host.Run(ctx, script, stdin, stdout)
	}
	if *h.crash.left == 0 && h.crash.after {
		if err := h.Host.Run(ctx, script, stdin, stdout); err != nil {
			return err
		}
	}
	h.crash.cancel(errCrash)
	return errCrash
}

// Wherever the replacement of a host key crashes, the next run finishes it from what is
// on disk, and never trusts a key that it does not know.
func TestHostKeySurvivesACrash(t *testing.T) {
	vendor := provisiontest.NewVendorWithSandboxes(t, dosim.Options{})
	file, public := provisiontest.Identity(t)
	site := provisiontest.Site(public)
	site.Hosts = site.Hosts[1:]
	for _, after := range []bool{false, true} {
		for n := 1; n <= 4; n++ {
			t.Run(fmt.Sprintf("command %d, after it ran: %t", n, after), func(t *testing.T) {
				d := provisiontest.Deps(t, vendor, file)
				for _, s := range stagesOf(t, site, d)[provision.StageNetwork].Steps {
					provisiontest.Apply(t, s)
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				left := n
				crashing := d
				crashing.Hosts = crashingHosts{d.Hosts, &left, after, cancel}
				first := stagesOf(t, site, crashing)[provision.StageDroplets].Steps[0]
				before, err := first.Op.Check(t.Context())
				require.NoError(t, err)
				require.Error(t, first.Op.Apply(ctx))
				require.LessOrEqual(t, left, 0, "it crashed where it should")

				// A new process has only the state folder.
				d.Directory, err = provision.OpenDirectory(folderOf(d), provisiontest.SandboxPort)
				require.NoError(t, err)
				d.Hosts = provisiontest.NewHosts(t, file, d.Directory)
				again := stagesOf(t, site, d)[provision.StageDroplets].Steps[0]
				provisiontest.Apply(t, again)
				require.Len(t, vendor.Sim.Machines(), 1)
				require.NoFileExists(t, provision.BootstrapPath(folderOf(d)))
				known, err := os.ReadFile(d.Directory.KnownHosts())
				require.NoError(t, err)
				require.NotContains(t, string(known), "bootstrap")
				require.NoError(t, again.Op.Undo(t.Context(), before.Before))
			})
		}
	}
}
