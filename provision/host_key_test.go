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

var errCrash = errors.New("killed here")

// dying cuts everything off at the nth command on a target: before it runs, or
// after it has run and before anybody learns of it.
type dying struct {
	provision.Hosts
	left  *int
	after bool
	kill  context.CancelCauseFunc
}

func (d dying) Target(name string) remote.Host { return dyingHost{d.Hosts.Target(name), d} }

type dyingHost struct {
	remote.Host
	d dying
}

func (h dyingHost) Run(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	*h.d.left--
	if *h.d.left > 0 {
		return h.Host.Run(ctx, script, stdin, stdout)
	}
	if *h.d.left == 0 && h.d.after {
		if err := h.Host.Run(ctx, script, stdin, stdout); err != nil {
			return err
		}
	}
	h.d.kill(errCrash)
	return errCrash
}

// However far the replacement of a host key got, the next run finishes it, with
// nothing but what is on disk, and never trusts a key that it does not know.
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
				ctx, kill := context.WithCancelCause(t.Context())
				left := n
				broken := d
				broken.Hosts = dying{d.Hosts, &left, after, kill}
				first := stagesOf(t, site, broken)[provision.StageDroplets].Steps[0]
				before, err := first.Op.Check(t.Context())
				require.NoError(t, err)
				require.Error(t, first.Op.Apply(ctx))
				require.LessOrEqual(t, left, 0, "it died where it should")

				// What a new process has: the state folder.
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
