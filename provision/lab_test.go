package provision_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"golang.org/x/time/rate"

	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/lab/spec"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/provision/digitalocean"
	"github.com/dcmigrate/migrate/secret"
)

const token = "dop_v1_provision"

// booter makes droplets sandboxes. It reads of the user-data what a droplet's
// cloud-init would do for sshd.
type booter struct {
	dir string

	mu      sync.Mutex
	running map[int]*sandbox
	boots   int
}

func (b *booter) Boot(_ context.Context, m dosim.Machine) error {
	var config struct {
		Keys struct {
			Private string `yaml:"ed25519_private"`
		} `yaml:"ssh_keys"`
		Authorized []string `yaml:"ssh_authorized_keys"`
	}
	if err := yaml.Unmarshal([]byte(m.UserData), &config); err != nil {
		return err
	}
	if len(config.Authorized) != 1 || len(m.SSHPublicKeys) != 1 {
		return errors.New("want one authorized key")
	}
	dir := filepath.Join(b.dir, strconv.Itoa(m.ID))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	s, err := startSandbox(dir, m.PublicV4, config.Keys.Private, config.Authorized[0]+"\n")
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running[m.ID] = s
	b.boots++
	return nil
}

func (b *booter) Destroy(_ context.Context, id int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.running[id]; s != nil {
		s.stop()
		delete(b.running, id)
	}
	return nil
}

func (b *booter) Firewall(context.Context, int, dosim.Rules) error { return nil }

// lab is the vendor's simulator, held against the vendor's document, and our client.
type lab struct {
	sim    *dosim.Sim
	url    string
	client *digitalocean.Client
	booter *booter
}

// newLab starts a simulator whose droplets are sandboxes if real is true, and
// exist in the API only otherwise.
func newLab(t *testing.T, real bool, o dosim.Options) *lab {
	t.Helper()
	validator := spec.Require(t, spec.DigitalOcean)
	l := &lab{booter: &booter{dir: t.TempDir(), running: map[int]*sandbox{}}}
	o.Token = secret.New(token)
	o.Limits.PerMinute = 100_000
	o.Limits.PerHour = 100_000
	if real {
		needSandbox(t)
		o.Booter = l.booter
		o.Public, o.Private = netip.MustParsePrefix("127.77.1.0/24"), netip.MustParsePrefix("127.77.2.0/24")
	}
	l.sim = dosim.New(o)
	server := httptest.NewServer(validator.Handler(l.sim))
	l.url = server.URL
	t.Cleanup(func() {
		server.Close()
		require.NoError(t, l.sim.Close())
		for id := range l.booter.running {
			l.booter.running[id].stop()
		}
	})
	var err error
	l.client, err = digitalocean.New(digitalocean.Options{Token: secret.New(token), Endpoint: server.URL, MaxWait: time.Second, Limit: rate.NewLimiter(rate.Inf, 1)})
	require.NoError(t, err)
	return l
}

// testSite has two hosts, unlike in their roles.
func testSite(authorized string) provision.Site {
	return provision.Site{
		ID: "blog-1", Name: "blog", Region: "ams3", Image: "debian-12-x64",
		Hosts: []provision.HostSpec{
			{Name: "app1", Roles: []string{"web", "app"}, OldAddress: netip.MustParseAddr("192.0.2.10"), Facts: provision.Facts{CPUs: 1, MemoryMiB: 900, DiskGiB: 20}},
			{Name: "db1", Roles: []string{"db"}, OldAddress: netip.MustParseAddr("192.0.2.20"), Facts: provision.Facts{CPUs: 2, MemoryMiB: 1900, DiskGiB: 40}},
		},
		PublicPorts:  map[string][]int{"web": {80, 443}},
		SSHPublicKey: authorized, SSHPort: sandboxPort,
	}
}

func deps(t *testing.T, l *lab, identityFile string) provision.Deps {
	t.Helper()
	d, err := provision.OpenDirectory(t.TempDir(), sandboxPort)
	require.NoError(t, err)
	return provision.Deps{Cloud: l.client, Directory: d, Hosts: newHosts(t, identityFile, d), Interval: 50 * time.Millisecond}
}
