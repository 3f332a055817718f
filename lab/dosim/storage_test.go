package dosim

import (
	"strconv"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

// ended waits until an action has ended and returns its status.
func ended(t *testing.T, client *godo.Client, a *godo.Action) string {
	t.Helper()
	require.Eventually(t, func() bool {
		got, _, err := client.Actions.Get(t.Context(), a.ID)
		if err == nil {
			a = got
		}
		return err == nil && a.Status != "in-progress"
	}, 10*time.Second, time.Millisecond)
	return a.Status
}

func TestVolumes(t *testing.T) {
	l := newLab(t, Options{ActionDelay: 10 * time.Millisecond})
	client := l.godo(t, testToken)
	ctx := t.Context()
	web, db := createWebAndDB(t, client)
	v, _, err := client.Storage.CreateVolume(ctx, &godo.VolumeCreateRequest{Name: "data", Region: "fra1", SizeGigaBytes: 100, FilesystemType: "ext4", Tags: []string{"db"}})
	require.NoError(t, err)
	for name, in := range map[string]*godo.VolumeCreateRequest{
		"taken":       {Name: "data", Region: "fra1", SizeGigaBytes: 1},
		"name":        {Name: "Data", Region: "fra1", SizeGigaBytes: 1},
		"too large":   {Name: "two", Region: "fra1", SizeGigaBytes: 16385},
		"closed":      {Name: "two", Region: "sfo1", SizeGigaBytes: 1},
		"no snapshot": {Name: "two", SizeGigaBytes: 1, SnapshotID: "none", Region: "fra1"},
	} {
		_, _, err := client.Storage.CreateVolume(ctx, in)
		status, _ := statusOf(t, err)
		require.GreaterOrEqual(t, status, 400, name)
	}
	a, _, err := client.StorageActions.Attach(ctx, v.ID, db.ID)
	require.NoError(t, err)
	require.Equal(t, "in-progress", a.Status)
	_, _, err = client.DropletActions.PowerOff(ctx, db.ID)
	_, message := statusOf(t, err)
	require.Equal(t, "Droplet already has a pending event.", message)
	require.Equal(t, "completed", ended(t, client, a))
	got, _, err := client.Droplets.Get(ctx, db.ID)
	require.NoError(t, err)
	require.Equal(t, []string{v.ID}, got.VolumeIDs)
	_, _, err = client.StorageActions.Attach(ctx, v.ID, web.ID)
	_, message = statusOf(t, err)
	require.Contains(t, message, "already attached")
	_, err = client.Storage.DeleteVolume(ctx, v.ID)
	status, _ := statusOf(t, err)
	require.Equal(t, 409, status)
	_, _, err = client.StorageActions.Resize(ctx, v.ID, 50, "fra1")
	status, _ = statusOf(t, err)
	require.Equal(t, 422, status, "a volume only grows")
	a, _, err = client.StorageActions.Resize(ctx, v.ID, 200, "fra1")
	require.NoError(t, err)
	require.Equal(t, "completed", ended(t, client, a))

	snap, _, err := client.Storage.CreateSnapshot(ctx, &godo.SnapshotCreateRequest{VolumeID: v.ID, Name: "before"})
	require.NoError(t, err)
	require.Equal(t, 200, snap.MinDiskSize)
	listed, _, err := client.Storage.ListSnapshots(ctx, v.ID, nil)
	require.NoError(t, err)
	require.Len(t, listed, 1)
	copied, _, err := client.Storage.CreateVolume(ctx, &godo.VolumeCreateRequest{Name: "copy", SnapshotID: snap.ID, SizeGigaBytes: 200, Region: "fra1"})
	require.NoError(t, err)
	_, err = client.Storage.DeleteSnapshot(ctx, snap.ID)
	require.NoError(t, err)

	a, _, err = client.StorageActions.DetachByDropletID(ctx, v.ID, db.ID)
	require.NoError(t, err)
	require.Equal(t, "completed", ended(t, client, a))
	_, _, err = client.StorageActions.DetachByDropletID(ctx, v.ID, db.ID)
	_, message = statusOf(t, err)
	require.Equal(t, "Attachment not found", message)
	actions, _, err := client.StorageActions.List(ctx, v.ID, nil)
	require.NoError(t, err)
	require.Len(t, actions, 3)
	_, err = client.Tags.TagResources(ctx, "web", &godo.TagResourcesRequest{Resources: []godo.Resource{{ID: copied.ID, Type: godo.VolumeResourceType}}})
	require.NoError(t, err)
	tag, _, err := client.Tags.Get(ctx, "web")
	require.NoError(t, err)
	require.Equal(t, 2, tag.Resources.Count)

	in := dropletRequest("with-volume")
	in.Volumes = []godo.DropletCreateVolume{{ID: copied.ID}}
	made, _, err := client.Droplets.Create(ctx, in)
	require.NoError(t, err)
	require.Equal(t, []string{copied.ID}, waitActive(t, client, made.ID).VolumeIDs)
	_, err = client.Droplets.Delete(ctx, made.ID)
	require.NoError(t, err)
	free, _, err := client.Storage.GetVolume(ctx, copied.ID)
	require.NoError(t, err)
	require.Empty(t, free.DropletIDs, "a deleted droplet lets go of its volumes")
	_, err = client.Storage.DeleteVolume(ctx, copied.ID)
	require.NoError(t, err)
}

func TestResizeRebuildBackupsAndSnapshots(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	ctx := t.Context()
	d, _ := createWebAndDB(t, client)
	do := func(a *godo.Action, _ *godo.Response, err error) {
		t.Helper()
		require.NoError(t, err)
		require.Equal(t, "in-progress", a.Status)
		require.Equal(t, "completed", ended(t, client, a))
	}
	refused := func(want string) func(*godo.Action, *godo.Response, error) {
		return func(_ *godo.Action, _ *godo.Response, err error) {
			t.Helper()
			status, message := statusOf(t, err)
			require.Equal(t, 422, status)
			require.Contains(t, message, want)
		}
	}
	refused("powered off")(client.DropletActions.Resize(ctx, d.ID, "s-2vcpu-4gb", true))
	do(client.DropletActions.PowerOff(ctx, d.ID))
	refused("invalid size")(client.DropletActions.Resize(ctx, d.ID, "none", true))
	do(client.DropletActions.Resize(ctx, d.ID, "s-2vcpu-4gb", false))
	got, _, err := client.Droplets.Get(ctx, d.ID)
	require.NoError(t, err)
	require.Equal(t, []int{4096, 25}, []int{got.Memory, got.Disk}, "the disk stays, so the way back is open")
	do(client.DropletActions.Resize(ctx, d.ID, "s-1vcpu-1gb", false))
	do(client.DropletActions.Resize(ctx, d.ID, "s-2vcpu-4gb", true))
	refused("smaller disk")(client.DropletActions.Resize(ctx, d.ID, "s-1vcpu-1gb", false))

	do(client.DropletActions.Snapshot(ctx, d.ID, "snap"))
	snaps, _, err := client.Droplets.Snapshots(ctx, d.ID, nil)
	require.NoError(t, err)
	require.Len(t, snaps, 1)
	do(client.DropletActions.RebuildByImageSlug(ctx, d.ID, "ubuntu-24-04-x64"))
	do(client.DropletActions.Restore(ctx, d.ID, snaps[0].ID))
	refused("no backup or snapshot")(client.DropletActions.Restore(ctx, d.ID, 190_000_001))
	refused("not enabled")(client.DropletActions.DisableBackups(ctx, d.ID))
	do(client.DropletActions.EnableBackups(ctx, d.ID))
	got, _, err = client.Droplets.Get(ctx, d.ID)
	require.NoError(t, err)
	require.NotNil(t, got.NextBackupWindow)
	require.Equal(t, []int{snaps[0].ID}, got.SnapshotIDs)
	do(client.DropletActions.DisableBackups(ctx, d.ID))
	do(client.DropletActions.PasswordReset(ctx, d.ID))
	do(client.DropletActions.EnableIPv6(ctx, d.ID))
	refused("already enabled")(client.DropletActions.EnableIPv6(ctx, d.ID))

	all, _, err := client.Snapshots.ListDroplet(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(d.ID), all[0].ResourceID)
	mine, _, err := client.Images.ListUser(ctx, nil)
	require.NoError(t, err)
	require.Len(t, mine, 1)
	a, _, err := client.ImageActions.Transfer(ctx, mine[0].ID, &godo.ActionRequest{"type": "transfer", "region": "nyc3"})
	require.NoError(t, err)
	require.Equal(t, "completed", ended(t, client, a))
	_, err = client.Images.Delete(ctx, mine[0].ID)
	require.NoError(t, err)
	_, err = client.Images.Delete(ctx, 190_000_001)
	status, _ := statusOf(t, err)
	require.Equal(t, 403, status)
	_, _, err = client.Snapshots.Get(ctx, all[0].ID)
	status, _ = statusOf(t, err)
	require.Equal(t, 404, status)
}

func TestPublicNetworks(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	ctx := t.Context()
	in := dropletRequest("six")
	in.IPv6 = true
	six, _, err := client.Droplets.Create(ctx, in)
	require.NoError(t, err)
	require.Empty(t, six.Networks.V6, "not before it runs")
	six = waitActive(t, client, six.ID)
	address, err := six.PublicIPv6()
	require.NoError(t, err)
	require.Equal(t, "2001:db8:d0::b", address)
	require.Contains(t, six.Features, "ipv6")
	body := map[string]any{"name": "inside", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-12-x64", "public_networking": false}
	req, err := client.NewRequest(ctx, "POST", "v2/droplets", body)
	require.NoError(t, err)
	var made struct{ Droplet godo.Droplet }
	_, err = client.Do(ctx, req, &made)
	require.NoError(t, err)
	inside := waitActive(t, client, made.Droplet.ID)
	require.Len(t, inside.Networks.V4, 1)
	require.Equal(t, "private", inside.Networks.V4[0].Type)
}

func TestReservedIPsMoveByActions(t *testing.T) {
	l := newLab(t, Options{ActionDelay: 200 * time.Millisecond})
	client := l.godo(t, testToken)
	ctx := t.Context()
	web, db := createWebAndDB(t, client)
	ip, _, err := client.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{Region: "fra1"})
	require.NoError(t, err)
	a, _, err := client.ReservedIPActions.Assign(ctx, ip.IP, web.ID)
	require.NoError(t, err)
	require.Equal(t, "in-progress", a.Status)
	got, _, err := client.ReservedIPs.Get(ctx, ip.IP)
	require.NoError(t, err)
	require.Nil(t, got.Droplet, "not assigned yet")
	require.True(t, got.Locked)
	for _, err := range []error{
		second(client.ReservedIPActions.Assign(ctx, ip.IP, db.ID)), second(client.DropletActions.Reboot(ctx, web.ID)),
		second(client.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{DropletID: web.ID})),
	} {
		status, message := statusOf(t, err)
		require.Equal(t, 422, status)
		require.Contains(t, message, "pending event")
	}
	require.Equal(t, "completed", ended(t, client, a))
	got, _, err = client.ReservedIPs.Get(ctx, ip.IP)
	require.NoError(t, err)
	require.Equal(t, web.ID, got.Droplet.ID)
}

func second[A, B any](_ A, _ B, err error) error { return err }
