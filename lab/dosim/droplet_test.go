package dosim

import (
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKAVJBSGZkFRCEClxXwdL3KcKf0mYHfQmsn3uF5mTd lab"

func dropletRequest(name string) *godo.DropletCreateRequest {
	return &godo.DropletCreateRequest{
		Name: name, Region: "fra1", Size: "s-1vcpu-1gb", Image: godo.DropletCreateImage{Slug: "debian-12-x64"},
	}
}

func TestDropletLife(t *testing.T) {
	release := make(chan struct{})
	booter := &fakeBooter{rules: map[int]Rules{}, booted: map[int]Machine{}, power: map[int]bool{}, blocks: map[string]chan struct{}{"boot": release}}
	l := newLab(t, Options{Booter: booter})
	client := l.godo(t, testToken)
	ctx := t.Context()

	key, _, err := client.Keys.Create(ctx, &godo.KeyCreateRequest{Name: "sre", PublicKey: publicKey})
	require.NoError(t, err)
	in := dropletRequest("web-1")
	in.SSHKeys = []godo.DropletCreateSSHKey{{Fingerprint: key.Fingerprint}}
	in.Tags = []string{"move:one", "web"}
	in.UserData = "#cloud-config\n"
	created, resp, err := client.Droplets.Create(ctx, in)
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, resp.StatusCode)
	require.Equal(t, "new", created.Status)
	require.Empty(t, created.Networks.V4, "no address before the droplet is active")
	require.Len(t, resp.Links.Actions, 1)

	action, _, err := client.Actions.Get(ctx, resp.Links.Actions[0].ID)
	require.NoError(t, err)
	require.Equal(t, "in-progress", action.Status)
	_, err = client.Droplets.Delete(ctx, created.ID)
	status, message := statusOf(t, err)
	require.Equal(t, 422, status)
	require.Equal(t, "Droplet already has a pending event.", message)

	close(release)
	d := waitActive(t, client, created.ID)
	public, err := d.PublicIPv4()
	require.NoError(t, err)
	require.Equal(t, "10.213.1.11", public)
	private, err := d.PrivateIPv4()
	require.NoError(t, err)
	require.Equal(t, "10.213.2.11", private)
	action, _, err = client.DropletActions.Get(ctx, d.ID, action.ID)
	require.NoError(t, err)
	require.Equal(t, "completed", action.Status)
	require.NotNil(t, action.CompletedAt)

	m := booter.machines()[d.ID]
	require.Equal(t, "web-1", m.Name)
	require.Equal(t, "#cloud-config\n", m.UserData)
	require.Equal(t, []string{publicKey}, m.SSHPublicKeys)
	require.Equal(t, netip.MustParseAddr("10.213.1.11"), m.PublicV4)
	require.Equal(t, netip.MustParseAddr("10.213.2.11"), m.PrivateV4)
	require.Equal(t, 1024, m.Size.Memory)
	require.Equal(t, []string{"move:one", "web"}, m.Tags)
	require.Equal(t, netip.MustParseAddr("10.213.1.1"), m.PublicGateway)

	_, err = client.Droplets.Delete(ctx, d.ID)
	require.NoError(t, err)
	_, _, err = client.Droplets.Get(ctx, d.ID)
	status, _ = statusOf(t, err)
	require.Equal(t, 404, status)
	require.Eventually(t, func() bool { return len(l.Machines()) == 0 }, 10*time.Second, time.Millisecond)
	require.Empty(t, booter.machines())
}

func TestCreateManyListAndDeleteByTag(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	ctx := t.Context()
	names := []string{"a-1", "a-2", "a-3"}
	created, resp, err := client.Droplets.CreateMultiple(ctx, &godo.DropletMultiCreateRequest{
		Names: names, Region: "fra1", Size: "s-1vcpu-1gb", Image: godo.DropletCreateImage{Slug: "debian-12-x64"}, Tags: []string{"many"},
	})
	require.NoError(t, err)
	require.Len(t, created, 3)
	require.Len(t, resp.Links.Actions, 3)
	addresses := map[string]bool{}
	for _, d := range created {
		public, err := waitActive(t, client, d.ID).PublicIPv4()
		require.NoError(t, err)
		addresses[public] = true
	}
	require.Len(t, addresses, 3, "each has its own address")
	other, _, err := client.Droplets.Create(ctx, dropletRequest("b-1"))
	require.NoError(t, err)
	waitActive(t, client, other.ID)

	tagged, resp, err := client.Droplets.ListByTag(ctx, "many", &godo.ListOptions{PerPage: 2})
	require.NoError(t, err)
	require.Len(t, tagged, 2)
	require.Equal(t, 3, resp.Meta.Total)
	require.False(t, resp.Links.IsLastPage())
	tagged, resp, err = client.Droplets.ListByTag(ctx, "many", &godo.ListOptions{PerPage: 2, Page: 2})
	require.NoError(t, err)
	require.Len(t, tagged, 1)
	require.True(t, resp.Links.IsLastPage())
	named, _, err := client.Droplets.ListByName(ctx, "B-1", nil)
	require.NoError(t, err)
	require.Len(t, named, 1)

	_, err = client.Droplets.DeleteByTag(ctx, "many")
	require.NoError(t, err)
	left, _, err := client.Droplets.List(ctx, nil)
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.Equal(t, "b-1", left[0].Name)
	_, err = client.Droplets.DeleteByTag(ctx, "none")
	status, _ := statusOf(t, err)
	require.Equal(t, 404, status)
}

func TestCreateRefusals(t *testing.T) {
	l := newLab(t, Options{Limits: Limits{Droplets: 2}})
	client := l.godo(t, testToken)
	cases := map[string]struct {
		change func(*godo.DropletCreateRequest)
		want   string
	}{
		"name":          {func(r *godo.DropletCreateRequest) { r.Name = "web_1" }, "Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)"},
		"size":          {func(r *godo.DropletCreateRequest) { r.Size = "huge" }, "You specified an invalid size for Droplet creation."},
		"image":         {func(r *godo.DropletCreateRequest) { r.Image.Slug = "debian-3" }, "You specified an invalid image for Droplet creation."},
		"region":        {func(r *godo.DropletCreateRequest) { r.Region = "mars1" }, "You specified an invalid region for Droplet creation."},
		"closed region": {func(r *godo.DropletCreateRequest) { r.Region = "sfo1" }, "Size is not available in this region."},
		"user data":     {func(r *godo.DropletCreateRequest) { r.UserData = strings.Repeat("x", 64<<10+1) }, "user_data exceeds the limit of 64 KiB"},
		"key":           {func(r *godo.DropletCreateRequest) { r.SSHKeys = []godo.DropletCreateSSHKey{{ID: 7}} }, "7 are invalid key identifiers for Droplet creation."},
		"vpc":           {func(r *godo.DropletCreateRequest) { r.VPCUUID = "5b1f0f5e-0000-4000-8000-000000000000" }, "VPC 5b1f0f5e-0000-4000-8000-000000000000 was not found"},
		"volume":        {func(r *godo.DropletCreateRequest) { r.Volumes = []godo.DropletCreateVolume{{ID: "v"}} }, "Volume v was not found"},
		"tag":           {func(r *godo.DropletCreateRequest) { r.Tags = []string{"no spaces"} }, `Tag "no spaces" contains invalid characters`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			in := dropletRequest("web-1")
			c.change(in)
			_, _, err := client.Droplets.Create(t.Context(), in)
			status, message := statusOf(t, err)
			require.Equal(t, 422, status)
			require.Equal(t, c.want, message)
		})
	}
	in := dropletRequest("web-1")
	in.UserData = strings.Repeat("x", 64<<10)
	_, _, err := client.Droplets.Create(t.Context(), in)
	require.NoError(t, err, "64 KiB are allowed")

	many := &godo.DropletMultiCreateRequest{Names: []string{"a", "b"}, Region: "fra1", Size: "s-1vcpu-1gb", Image: godo.DropletCreateImage{Slug: "debian-12-x64"}}
	_, _, err = client.Droplets.CreateMultiple(t.Context(), many)
	_, message := statusOf(t, err)
	require.Equal(t, "creating this/these droplet(s) will exceed your droplet limit", message)
	many.Names = make([]string, 11)
	for i := range many.Names {
		many.Names[i] = "m-" + strconv.Itoa(i)
	}
	_, _, err = client.Droplets.CreateMultiple(t.Context(), many)
	_, message = statusOf(t, err)
	require.Equal(t, "You can only create up to 10 droplets at a time.", message)

	all, _, err := client.Droplets.List(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, all, 1, "a refused request makes nothing")
}

func TestActions(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	ctx := t.Context()
	d, _, err := client.Droplets.Create(ctx, dropletRequest("web-1"))
	require.NoError(t, err)
	waitActive(t, client, d.ID)
	settled := func(a *godo.Action, _ *godo.Response, err error) {
		t.Helper()
		require.NoError(t, err)
		require.Equal(t, "in-progress", a.Status)
		require.Eventually(t, func() bool {
			a, _, err := client.Actions.Get(ctx, a.ID)
			return err == nil && a.Status == "completed"
		}, 10*time.Second, time.Millisecond)
	}
	status := func() string {
		d, _, err := client.Droplets.Get(ctx, d.ID)
		require.NoError(t, err)
		return d.Status
	}
	settled(client.DropletActions.PowerOff(ctx, d.ID))
	require.Equal(t, "off", status())
	require.False(t, l.booter.isOn(d.ID))
	settled(client.DropletActions.PowerOn(ctx, d.ID))
	require.Equal(t, "active", status())
	require.True(t, l.booter.isOn(d.ID))
	settled(client.DropletActions.Reboot(ctx, d.ID))
	settled(client.DropletActions.Shutdown(ctx, d.ID))
	require.Equal(t, "off", status())
	settled(client.DropletActions.PowerCycle(ctx, d.ID))
	require.Equal(t, "active", status())
	settled(client.DropletActions.Rename(ctx, d.ID, "web-2"))
	got, _, err := client.Droplets.Get(ctx, d.ID)
	require.NoError(t, err)
	require.Equal(t, "web-2", got.Name)
	_, _, err = client.DropletActions.ChangeKernel(ctx, d.ID, 1)
	code, _ := statusOf(t, err)
	require.Equal(t, 422, code, "kernels are inside the images")
	actions, resp, err := client.Droplets.Actions(ctx, d.ID, nil)
	require.NoError(t, err)
	require.Equal(t, 7, resp.Meta.Total)
	require.Equal(t, "rename", actions[0].Type, "newest first")
}

func TestActionsByTag(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	ctx := t.Context()
	web, db := createWebAndDB(t, client)
	actions, _, err := client.DropletActions.PowerOffByTag(ctx, "db")
	require.NoError(t, err)
	require.Len(t, actions, 1)
	require.Equal(t, db.ID, actions[0].ResourceID)
	require.Eventually(t, func() bool { return !l.booter.isOn(db.ID) }, 10*time.Second, time.Millisecond)
	require.True(t, l.booter.isOn(web.ID))
	_, _, err = client.DropletActions.PowerOffByTag(ctx, "none")
	status, _ := statusOf(t, err)
	require.Equal(t, 404, status)
}

func TestBootFails(t *testing.T) {
	l := newLab(t, Options{})
	l.booter.failOn("boot", errors.New("no memory left"))
	client := l.godo(t, testToken)
	d, resp, err := client.Droplets.Create(t.Context(), dropletRequest("web-1"))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		a, _, err := client.Actions.Get(t.Context(), resp.Links.Actions[0].ID)
		return err == nil && a.Status == "errored"
	}, 10*time.Second, time.Millisecond)
	got, _, err := client.Droplets.Get(t.Context(), d.ID)
	require.NoError(t, err)
	require.Equal(t, "new", got.Status)
	require.Empty(t, got.Networks.V4)
	l.booter.failOn("", nil)
	_, err = client.Droplets.Delete(t.Context(), d.ID)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(l.Machines()) == 0 }, 10*time.Second, time.Millisecond)
	l.closeError = "no memory left"
}

func TestCloseCancelsBoot(t *testing.T) {
	booter := &fakeBooter{blocks: map[string]chan struct{}{"boot": make(chan struct{})}}
	l := newLab(t, Options{Booter: booter})
	_, _, err := l.godo(t, testToken).Droplets.Create(t.Context(), dropletRequest("web-1"))
	require.NoError(t, err)
	require.NoError(t, l.Close(), "Close cancels the boot and waits for it, and that is no failure")
}
