package dosim

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func TestConcurrentUse(t *testing.T) {
	l := newLab(t, Options{Limits: Limits{Droplets: 40, PerMinute: 100000, PerHour: 100000}})
	client := l.godo(t, testToken)
	ctx := t.Context()
	wall, _, err := client.Firewalls.Create(ctx, &godo.FirewallRequest{
		Name: "all", Tags: nil, InboundRules: []godo.InboundRule{{Protocol: "tcp", PortRange: "22", Sources: everywhere()}},
	})
	require.NoError(t, err)
	var all sync.WaitGroup
	errs := make(chan error, 1000)
	for i := range 12 {
		all.Go(func() {
			name := "w-" + strconv.Itoa(i)
			in := dropletRequest(name)
			in.Tags = []string{"all", name}
			d, _, err := client.Droplets.Create(ctx, in)
			if err != nil {
				errs <- err
				return
			}
			_, err = client.Firewalls.AddDroplets(ctx, wall.ID, d.ID)
			errs <- err
			_, _, err = client.Droplets.ListByTag(ctx, "all", nil)
			errs <- err
			l.Inject(Fault{Method: "GET", Path: "/v2/regions", Kind: ServerError})
			l.Machines()
			l.Requests()
			_, _, err = client.Firewalls.Get(ctx, wall.ID)
			errs <- err
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	created, _, err := client.Droplets.ListByTag(ctx, "all", &godo.ListOptions{PerPage: 50})
	require.NoError(t, err)
	require.Len(t, created, 12)
	addresses := map[string]bool{}
	for _, d := range created {
		public, err := waitActive(t, client, d.ID).PublicIPv4()
		require.NoError(t, err)
		addresses[public] = true
		require.Eventually(t, func() bool { return l.booter.rulesOf(d.ID).Enforced }, 10*time.Second, time.Millisecond)
	}
	require.Len(t, addresses, 12)
	_, err = client.Droplets.DeleteByTag(ctx, "all")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(l.booter.machines()) == 0 }, 10*time.Second, time.Millisecond)
	got, _, err := client.Firewalls.Get(ctx, wall.ID)
	require.NoError(t, err)
	require.Empty(t, got.DropletIDs, "deleted droplets leave their firewalls")
}
