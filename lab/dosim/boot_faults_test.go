package dosim

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/secret"
)

func TestBootFaults(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	ctx := t.Context()
	l.InjectBoot(BootFault{Droplet: "fails", Kind: BootFails})
	l.InjectBoot(BootFault{Droplet: "hang*", Kind: BootHangs})
	l.InjectBoot(BootFault{Kind: BootWithoutAddress})
	create := func(name string) (*godo.Droplet, *godo.Action) {
		d, resp, err := client.Droplets.Create(ctx, dropletRequest(name))
		require.NoError(t, err)
		return d, &godo.Action{ID: resp.Links.Actions[0].ID}
	}
	failing, a := create("fails")
	require.Equal(t, "errored", ended(t, client, a))
	got, _, err := client.Droplets.Get(ctx, failing.ID)
	require.NoError(t, err)
	require.Equal(t, "new", got.Status)
	silent, a := create("silent")
	require.Equal(t, "completed", ended(t, client, a))
	require.Empty(t, waitActive(t, client, silent.ID).Networks.V4)
	hanging, hung := create("hangs")
	good, _ := create("good")
	require.Len(t, waitActive(t, client, good.ID).Networks.V4, 2)
	a, _, err = client.Actions.Get(ctx, hung.ID)
	require.NoError(t, err)
	require.Equal(t, "in-progress", a.Status)
	_, err = client.Droplets.Delete(ctx, hanging.ID)
	require.NoError(t, err)
	require.Equal(t, "errored", ended(t, client, hung))
}

// Floating IPs, projects and the balance are not in the vendor's document in
// ../shared/specs, so the answers are held against godo's types alone.
func TestWhatTheDocumentLeavesOut(t *testing.T) {
	sim := New(Options{Token: secret.New(testToken)})
	server := httptest.NewServer(sim)
	t.Cleanup(func() {
		server.Close()
		require.NoError(t, sim.Close())
	})
	client := (&lab{Sim: sim, url: server.URL}).godo(t, testToken)
	ctx := t.Context()
	web, _ := createWebAndDB(t, client)

	ip, resp, err := client.FloatingIPs.Create(ctx, &godo.FloatingIPCreateRequest{DropletID: web.ID})
	require.NoError(t, err)
	require.Equal(t, "completed", ended(t, client, &godo.Action{ID: resp.Links.Actions[0].ID}))
	a, _, err := client.FloatingIPActions.Unassign(ctx, ip.IP)
	require.NoError(t, err)
	require.Equal(t, "floating_ip", a.ResourceType)
	require.Equal(t, "completed", ended(t, client, a))
	same, _, err := client.ReservedIPs.Get(ctx, ip.IP)
	require.NoError(t, err)
	require.Nil(t, same.Droplet)
	all, _, err := client.FloatingIPs.List(ctx, nil)
	require.NoError(t, err)
	require.Len(t, all, 1)

	first, _, err := client.Projects.GetDefault(ctx)
	require.NoError(t, err)
	resources, _, err := client.Projects.ListResources(ctx, first.ID, nil)
	require.NoError(t, err)
	require.Len(t, resources, 3)
	p, _, err := client.Projects.Create(ctx, &godo.CreateProjectRequest{Name: "blog", Purpose: "Web Application", Environment: "Production"})
	require.NoError(t, err)
	_, _, err = client.Projects.AssignResources(ctx, p.ID, "do:droplet:"+dropletID(web))
	require.NoError(t, err)
	resources, _, err = client.Projects.ListResources(ctx, p.ID, nil)
	require.NoError(t, err)
	require.Len(t, resources, 1)
	_, err = client.Projects.Delete(ctx, p.ID)
	status, _ := statusOf(t, err)
	require.Equal(t, 412, status)
	_, _, err = client.Projects.AssignResources(ctx, first.ID, "do:droplet:"+dropletID(web))
	require.NoError(t, err)
	_, err = client.Projects.Delete(ctx, p.ID)
	require.NoError(t, err)
	balance, _, err := client.Balance.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, "12.00", balance.MonthToDateUsage)
	require.WithinDuration(t, time.Now(), balance.GeneratedAt, time.Minute)
}
