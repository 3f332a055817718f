package dosim

import (
	"strconv"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func dropletID(d *godo.Droplet) string { return strconv.Itoa(d.ID) }

func TestKeys(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	ctx := t.Context()
	k, _, err := client.Keys.Create(ctx, &godo.KeyCreateRequest{Name: "sre", PublicKey: publicKey})
	require.NoError(t, err)
	require.Regexp(t, `^([0-9a-f]{2}:){15}[0-9a-f]{2}$`, k.Fingerprint)
	_, _, err = client.Keys.Create(ctx, &godo.KeyCreateRequest{Name: "again", PublicKey: publicKey})
	_, message := statusOf(t, err)
	require.Equal(t, "SSH Key is already in use on your account", message)
	_, _, err = client.Keys.Create(ctx, &godo.KeyCreateRequest{Name: "bad", PublicKey: "ssh-rsa !"})
	status, _ := statusOf(t, err)
	require.Equal(t, 422, status)
	renamed, _, err := client.Keys.UpdateByFingerprint(ctx, k.Fingerprint, &godo.KeyUpdateRequest{Name: "ops"})
	require.NoError(t, err)
	require.Equal(t, "ops", renamed.Name)
	got, _, err := client.Keys.GetByID(ctx, k.ID)
	require.NoError(t, err)
	require.Equal(t, "ops", got.Name)
	_, err = client.Keys.DeleteByID(ctx, k.ID)
	require.NoError(t, err)
	keys, _, err := client.Keys.List(ctx, nil)
	require.NoError(t, err)
	require.Empty(t, keys)
}

func TestCatalogue(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	ctx := t.Context()
	sizes, _, err := client.Sizes.List(ctx, &godo.ListOptions{PerPage: 200})
	require.NoError(t, err)
	bySlug := map[string]godo.Size{}
	for _, size := range sizes {
		bySlug[size.Slug] = size
	}
	require.Equal(t, 512, bySlug["s-1vcpu-512mb-10gb"].Memory)
	require.Equal(t, 96.0, bySlug["s-8vcpu-16gb"].PriceMonthly)
	require.InDelta(t, 0.14286, bySlug["s-8vcpu-16gb"].PriceHourly, 1e-9)
	require.NotContains(t, bySlug["s-1vcpu-1gb"].Regions, "sfo1")
	regions, _, err := client.Regions.List(ctx, nil)
	require.NoError(t, err)
	require.Len(t, regions, 11)
	image, _, err := client.Images.GetBySlug(ctx, "debian-12-x64")
	require.NoError(t, err)
	require.Equal(t, "Debian", image.Distribution)
	byID, _, err := client.Images.GetByID(ctx, image.ID)
	require.NoError(t, err)
	require.Equal(t, "debian-12-x64", byID.Slug)
	applications, _, err := client.Images.ListApplication(ctx, nil)
	require.NoError(t, err)
	require.Empty(t, applications)
	account, _, err := client.Account.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, 25, account.DropletLimit)
	volumes, _, err := client.Storage.ListVolumes(ctx, nil)
	require.NoError(t, err)
	require.Empty(t, volumes)
}

func TestTags(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	ctx := t.Context()
	web, _ := createWebAndDB(t, client)
	created, _, err := client.Tags.Create(ctx, &godo.TagCreateRequest{Name: "move:7"})
	require.NoError(t, err)
	require.Zero(t, created.Resources.Count)
	_, err = client.Tags.TagResources(ctx, "move:7", &godo.TagResourcesRequest{Resources: []godo.Resource{{ID: dropletID(web), Type: godo.DropletResourceType}}})
	require.NoError(t, err)
	got, _, err := client.Tags.Get(ctx, "move:7")
	require.NoError(t, err)
	require.Equal(t, 1, got.Resources.Droplets.Count)
	_, err = client.Tags.TagResources(ctx, "move:7", &godo.TagResourcesRequest{Resources: []godo.Resource{{ID: "1", Type: godo.DropletResourceType}}})
	status, _ := statusOf(t, err)
	require.Equal(t, 404, status)
	_, _, err = client.Tags.Create(ctx, &godo.TagCreateRequest{Name: "a b"})
	status, _ = statusOf(t, err)
	require.Equal(t, 400, status)
	_, err = client.Tags.Delete(ctx, "move:7")
	require.NoError(t, err)
	d, _, err := client.Droplets.Get(ctx, web.ID)
	require.NoError(t, err)
	require.Equal(t, []string{"web"}, d.Tags, "a deleted tag is taken off its droplets")
	all, resp, err := client.Tags.List(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, 2, resp.Meta.Total)
	require.Equal(t, "db", all[0].Name)
}

func TestVPCs(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	ctx := t.Context()
	first, _, err := client.VPCs.Create(ctx, &godo.VPCCreateRequest{Name: "first", RegionSlug: "fra1"})
	require.NoError(t, err)
	require.True(t, first.Default, "a region's first VPC becomes its default")
	_, err = client.VPCs.Delete(ctx, first.ID)
	status, message := statusOf(t, err)
	require.Equal(t, 403, status)
	require.Equal(t, "Can not delete default VPCs", message)
	v, _, err := client.VPCs.Create(ctx, &godo.VPCCreateRequest{Name: "move", RegionSlug: "fra1", IPRange: "10.50.0.0/20"})
	require.NoError(t, err)
	require.False(t, v.Default)
	refusals := map[string]*godo.VPCCreateRequest{
		"a VPC with the same name already exists in your account":                    {Name: "move", RegionSlug: "fra1"},
		"This range/size overlaps with another VPC network in your account: " + v.ID: {Name: "two", RegionSlug: "fra1", IPRange: "10.50.8.0/24"},
		"region is invalid": {Name: "two", RegionSlug: "mars1"},
		"This range/size is reserved for DigitalOcean's internal use: choose another ip_range": {Name: "two", RegionSlug: "fra1", IPRange: "10.246.0.0/20"},
		"ip_range must be a private network between /28 and /16":                               {Name: "two", RegionSlug: "fra1", IPRange: "10.0.0.0/8"},
	}
	for want, in := range refusals {
		_, _, err := client.VPCs.Create(ctx, in)
		status, message := statusOf(t, err)
		require.Equal(t, 422, status)
		require.Equal(t, want, message)
	}
	in := dropletRequest("web-1")
	in.VPCUUID = v.ID
	d, _, err := client.Droplets.Create(ctx, in)
	require.NoError(t, err)
	require.Equal(t, v.ID, waitActive(t, client, d.ID).VPCUUID)
	members, _, err := client.VPCs.ListMembers(ctx, v.ID, nil, nil)
	require.NoError(t, err)
	require.Len(t, members, 1)
	require.Equal(t, "do:droplet:"+strconv.Itoa(d.ID), members[0].URN)
	_, err = client.VPCs.Delete(ctx, v.ID)
	status, message = statusOf(t, err)
	require.Equal(t, 403, status)
	require.Equal(t, "Can not delete VPC with members", message)

	renamed, _, err := client.VPCs.Set(ctx, v.ID, godo.VPCSetName("moved"), godo.VPCSetDescription("the move"))
	require.NoError(t, err)
	require.Equal(t, "moved", renamed.Name)
	require.Equal(t, "the move", renamed.Description)
	replaced, _, err := client.VPCs.Update(ctx, v.ID, &godo.VPCUpdateRequest{Name: "put"})
	require.NoError(t, err)
	require.Equal(t, "put", replaced.Name)
	require.Empty(t, replaced.Description, "a PUT resets what it does not name")
	_, err = client.Droplets.Delete(ctx, d.ID)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := client.VPCs.Delete(ctx, v.ID)
		return err == nil
	}, 10*time.Second, 20*time.Millisecond, "once the machine is destroyed")

	other, _, err := client.Droplets.Create(ctx, dropletRequest("web-2"))
	require.NoError(t, err)
	standard, _, err := client.VPCs.Get(ctx, waitActive(t, client, other.ID).VPCUUID)
	require.NoError(t, err)
	require.True(t, standard.Default)
	_, err = client.VPCs.Delete(ctx, standard.ID)
	status, _ = statusOf(t, err)
	require.Equal(t, 403, status)
	listed, _, err := client.VPCs.List(ctx, nil)
	require.NoError(t, err)
	require.Len(t, listed, 1)
}

func TestReservedIPs(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	ctx := t.Context()
	web, db := createWebAndDB(t, client)
	ip, _, err := client.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{DropletID: web.ID})
	require.NoError(t, err)
	require.Equal(t, "10.213.3.11", ip.IP)
	require.Equal(t, web.ID, ip.Droplet.ID)
	_, _, err = client.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{DropletID: web.ID})
	status, _ := statusOf(t, err)
	require.Equal(t, 422, status)
	free, _, err := client.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{Region: "fra1"})
	require.NoError(t, err)
	require.Nil(t, free.Droplet)
	_, _, err = client.ReservedIPActions.Assign(ctx, ip.IP, db.ID)
	require.NoError(t, err)
	moved, _, err := client.ReservedIPs.Get(ctx, ip.IP)
	require.NoError(t, err)
	require.Equal(t, db.ID, moved.Droplet.ID)
	_, _, err = client.ReservedIPActions.Unassign(ctx, ip.IP)
	require.NoError(t, err)
	actions, _, err := client.ReservedIPActions.List(ctx, ip.IP, nil)
	require.NoError(t, err)
	require.Len(t, actions, 3)
	_, _, err = client.ReservedIPActions.Get(ctx, ip.IP, actions[0].ID)
	require.NoError(t, err)
	_, err = client.ReservedIPs.Delete(ctx, ip.IP)
	require.NoError(t, err)
	all, _, err := client.ReservedIPs.List(ctx, nil)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, free.IP, all[0].IP)
}
