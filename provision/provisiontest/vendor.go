package provisiontest

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
	"github.com/dcmigrate/migrate/provision/digitalocean"
	"github.com/dcmigrate/migrate/secret"
)

const token = "dop_v1_provision"

// sandboxDroplets starts each droplet as a sandbox. It reads from the user-data what
// a droplet's cloud-init sets up for sshd: the host key and the authorized keys.
type sandboxDroplets struct {
	dir string

	mu      sync.Mutex
	running map[int]*Sandbox
	boots   int
}

func (b *sandboxDroplets) Boot(_ context.Context, m dosim.Machine) error {
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
	s, err := StartSandbox(dir, m.PublicV4, config.Keys.Private, config.Authorized[0]+"\n")
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running[m.ID] = s
	b.boots++
	return nil
}

func (b *sandboxDroplets) Destroy(_ context.Context, id int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.running[id]; s != nil {
		s.Stop()
		delete(b.running, id)
	}
	return nil
}

func (b *sandboxDroplets) Firewall(context.Context, int, dosim.Rules) error { return nil }

// stop stops what still runs; a nil b runs nothing.
func (b *sandboxDroplets) stop() {
	if b == nil {
		return
	}
	for _, s := range b.running {
		s.Stop()
	}
}

// Vendor is the vendor's simulator, held against the vendor's document, and our client.
type Vendor struct {
	Sim    *dosim.Sim
	Client *digitalocean.Client

	droplets *sandboxDroplets
	endpoint string
}

// Again returns the vendor with a client that has seen nothing yet.
func Again(t testing.TB, v *Vendor) *Vendor {
	t.Helper()
	client, err := digitalocean.New(digitalocean.Options{Token: secret.New(token), Endpoint: v.endpoint, MaxWait: time.Second, Limit: rate.NewLimiter(rate.Inf, 1)})
	require.NoError(t, err)
	return &Vendor{v.Sim, client, v.droplets, v.endpoint}
}

// NewVendor starts a simulator, which ends with the test. Its droplets exist in the
// API only, unless o has a booter.
func NewVendor(t testing.TB, o dosim.Options) *Vendor {
	t.Helper()
	return newVendor(t, o, nil)
}

// NewVendorWithSandboxes starts a simulator whose droplets are sandboxes.
func NewVendorWithSandboxes(t testing.TB, o dosim.Options) *Vendor {
	t.Helper()
	RequireSandbox(t)
	droplets := &sandboxDroplets{dir: t.TempDir(), running: map[int]*Sandbox{}}
	o.Booter = droplets
	o.Public, o.Private = netip.MustParsePrefix("127.77.1.0/24"), netip.MustParsePrefix("127.77.2.0/24")
	return newVendor(t, o, droplets)
}

func newVendor(t testing.TB, o dosim.Options, droplets *sandboxDroplets) *Vendor {
	t.Helper()
	validator := spec.Require(t, spec.DigitalOcean)
	o.Token = secret.New(token)
	o.Limits.PerMinute = 100_000
	o.Limits.PerHour = 100_000
	v := &Vendor{Sim: dosim.New(o), droplets: droplets}
	server := httptest.NewServer(validator.Handler(v.Sim))
	t.Cleanup(func() {
		server.Close()
		require.NoError(t, v.Sim.Close())
		droplets.stop()
	})
	v.endpoint = server.URL
	return Again(t, v)
}

// Boots returns how many droplets were started as sandboxes.
func (v *Vendor) Boots() int {
	v.droplets.mu.Lock()
	defer v.droplets.mu.Unlock()
	return v.droplets.boots
}
