package cfsim_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/cache"
	"github.com/cloudflare/cloudflare-go/v7/dns"
	"github.com/cloudflare/cloudflare-go/v7/zones"
	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/cfsim"
)

// TestCloudflareGo drives the simulator with Cloudflare's client for Go.
func TestCloudflareGo(t *testing.T) {
	ctx := t.Context()
	l := newLab(t, cfsim.Options{Plan: cfsim.PlanPro})
	zoneService := zones.NewZoneService(l.options()...)
	created, err := zoneService.New(ctx, params[zones.ZoneNewParams](t, map[string]any{
		"Name": "new.example", "Account": params[zones.ZoneNewParamsAccount](t, map[string]any{"ID": l.AccountID()}),
	}))
	require.NoError(t, err)
	require.Equal(t, zones.ZoneStatusPending, created.Status)
	var names []string
	pager := zoneService.ListAutoPaging(ctx, params[zones.ZoneListParams](t, map[string]any{"PerPage": 5}))
	for pager.Next() {
		names = append(names, pager.Current().Name)
	}
	require.NoError(t, pager.Err())
	require.Equal(t, []string{"example.com", "new.example"}, names)

	records := l.records()
	zone := map[string]any{"ZoneID": l.zoneID}
	www, err := records.New(ctx, params[dns.RecordNewParams](t, map[string]any{
		"ZoneID": l.zoneID,
		"Body": params[dns.RecordNewParamsBody](t, map[string]any{
			"Type": "A", "Name": "www", "Content": "192.0.2.1", "TTL": 300, "Comment": "front", "Tags": []string{"team:web"},
		}),
	}))
	require.NoError(t, err)
	require.Equal(t, []any{"www.example.com", "192.0.2.1", "front", dns.TTL(300), true, false}, []any{www.Name, www.Content, www.Comment, www.TTL, www.Proxiable, www.Proxied})
	require.WithinDuration(t, time.Now(), www.CreatedOn, time.Minute)

	edited, err := records.Edit(ctx, www.ID, params[dns.RecordEditParams](t, map[string]any{
		"ZoneID": l.zoneID,
		"Body":   params[dns.RecordEditParamsBody](t, map[string]any{"Type": "A", "Name": "www.example.com", "TTL": 60, "Content": "192.0.2.2"}),
	}))
	require.NoError(t, err)
	require.Equal(t, "front", edited.Comment)
	updated, err := records.Update(ctx, www.ID, params[dns.RecordUpdateParams](t, map[string]any{
		"ZoneID": l.zoneID,
		"Body":   params[dns.RecordUpdateParamsBody](t, map[string]any{"Type": "A", "Name": "www.example.com", "TTL": 1, "Content": "192.0.2.3"}),
	}))
	require.NoError(t, err)
	require.Empty(t, updated.Comment)
	require.Equal(t, dns.TTL1, updated.TTL)

	var posts []dns.RecordBatchParamsPostUnion
	for _, name := range []string{"a", "b", "c"} {
		posts = append(posts, params[dns.RecordBatchParamsPost](t, map[string]any{"Type": "A", "Name": name, "Content": "192.0.2.9", "TTL": 1}))
	}
	patch := params[dns.BatchPatchARecordParam](t, map[string]any{"ID": www.ID, "Proxied": true})
	patch.ARecordParam = params[dns.ARecordParam](t, map[string]any{"Name": "www.example.com", "Type": "A", "Content": "192.0.2.4", "TTL": 1, "Proxied": true})
	batch, err := records.Batch(ctx, params[dns.RecordBatchParams](t, map[string]any{
		"ZoneID": l.zoneID, "Posts": posts, "Patches": []dns.BatchPatchUnionParam{patch},
	}))
	require.NoError(t, err)
	require.Len(t, batch.Posts, 3)
	require.True(t, batch.Patches[0].Proxied)

	seen := map[string]string{}
	list := records.ListAutoPaging(ctx, params[dns.RecordListParams](t, map[string]any{"ZoneID": l.zoneID, "PerPage": 2}))
	for list.Next() {
		seen[list.Current().Name] = list.Current().Content
	}
	require.NoError(t, list.Err())
	require.Equal(t, map[string]string{"www.example.com": "192.0.2.4", "a.example.com": "192.0.2.9", "b.example.com": "192.0.2.9", "c.example.com": "192.0.2.9"}, seen)
	exact, err := records.List(ctx, params[dns.RecordListParams](t, map[string]any{
		"ZoneID": l.zoneID,
		"Name":   params[dns.RecordListParamsName](t, map[string]any{"Exact": "b.example.com"}),
	}))
	require.NoError(t, err)
	require.Len(t, exact.Result, 1)

	text, err := records.Export(ctx, params[dns.RecordExportParams](t, zone))
	require.NoError(t, err)
	require.Contains(t, *text, "www.example.com.\t1\tIN\tA\t192.0.2.4 ; cf_tags=cf-proxied:true")

	purged, err := cache.NewCacheService(l.options()...).Purge(ctx, params[cache.CachePurgeParams](t, map[string]any{
		"ZoneID": l.zoneID,
		"Body":   params[cache.CachePurgeParamsBodyCachePurgeEverything](t, map[string]any{"PurgeEverything": true}),
	}))
	require.NoError(t, err)
	require.Equal(t, l.zoneID, purged.ID)

	deleted, err := records.Delete(ctx, www.ID, params[dns.RecordDeleteParams](t, zone))
	require.NoError(t, err)
	require.Equal(t, www.ID, deleted.ID)
	_, err = records.Get(ctx, www.ID, params[dns.RecordGetParams](t, zone))
	require.ErrorContains(t, err, "81044")
}

// npmCloudflare is the version of Cloudflare's client for Node.js in TestNodeClient.
const npmCloudflare = "7.3.0"

// TestNodeClient drives the simulator with Cloudflare's client for Node.js.
func TestNodeClient(t *testing.T) {
	modules := installNodeClient(t)
	l := newLab(t, cfsim.Options{Plan: cfsim.PlanPro}, cfsim.Record{Type: "A", Name: "stays", Content: "192.0.2.1", Comment: "kept", Tags: []string{"a:b"}})
	script, err := os.ReadFile(filepath.Join("testdata", "client.mjs"))
	require.NoError(t, err)
	file := filepath.Join(modules, "client.mjs")
	require.NoError(t, os.WriteFile(file, script, 0o600))
	node := exec.CommandContext(t.Context(), "node", file)
	node.Env = append(os.Environ(), "CF_BASE_URL="+l.url, "CF_TOKEN="+token, "CF_ZONE="+zoneName, "CF_ACCOUNT="+l.AccountID())
	var stdout, stderr bytes.Buffer
	node.Stdout, node.Stderr = &stdout, &stderr
	require.NoError(t, node.Run(), "%s%s", stdout.String(), stderr.String())

	var got struct {
		Token, Zone, Created, Conflict string
		Zones, Listed, Paged           []string
		Batch                          map[string][]string
		Missing                        []int
		Exported                       string
	}
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &got), stdout.String())
	require.Equal(t, "active", got.Token)
	require.Equal(t, l.zoneID, got.Zone)
	require.Equal(t, []string{"example.com", "made.example"}, got.Zones)
	require.Equal(t, "www.example.com A 192.0.2.10 ttl=300 proxied=false comment=from node tags=team:web", got.Created)
	require.Equal(t, "400 81053", got.Conflict)
	require.Equal(t, []string{"www.example.com 192.0.2.11 from node"}, got.Listed)
	require.Equal(t, map[string][]string{
		"deletes": {"gone.example.com"}, "patches": {"www.example.com 192.0.2.12 ttl=1"},
		"puts": {"stays.example.com 192.0.2.2 null"}, "posts": {"_sip._tcp.example.com 1 2 5060 sip.example.com"},
	}, got.Batch)
	require.Len(t, got.Paged, 9)
	require.Equal(t, []int{404, 81044}, got.Missing)
	require.Contains(t, got.Exported, "*.wild.example.com.\t120\tIN\tA\t192.0.2.20")
	require.Equal(t, []string{
		"*.wild.example.com A 192.0.2.20 120", "_sip._tcp.example.com SRV 1 2 5060 sip.example.com 1",
		"n0.example.com A 192.0.2.30 1", "n1.example.com A 192.0.2.30 1", "n2.example.com A 192.0.2.30 1",
		"n3.example.com A 192.0.2.30 1", "n4.example.com A 192.0.2.30 1",
		"stays.example.com A 192.0.2.2 60",
	}, describeRecords(l.Records(zoneName)))
}

// installNodeClient installs the client into a cache folder, once for each version, and
// returns the folder.
func installNodeClient(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing", program)
			}
			t.Skipf("%s is missing", program)
		}
	}
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	dir := filepath.Join(base, "migrate-lab", "npm-cloudflare-"+npmCloudflare)
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "cloudflare", "package.json")); err == nil {
		return dir
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(dir), 0o755))
	fresh, err := os.MkdirTemp(filepath.Dir(dir), "npm-")
	require.NoError(t, err)
	npm := exec.CommandContext(t.Context(), "npm", "install", "--prefix", fresh, "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "cloudflare@"+npmCloudflare)
	if out, err := npm.CombinedOutput(); err != nil {
		require.NoError(t, os.RemoveAll(fresh))
		if os.Getenv("CI") != "true" {
			t.Skipf("npm cannot install the client: %v: %s", err, out)
		}
		t.Fatalf("npm cannot install the client: %v: %s", err, out)
	}
	if err := os.Rename(fresh, dir); err != nil { // another test process was first
		require.NoError(t, os.RemoveAll(fresh))
		require.DirExists(t, filepath.Join(dir, "node_modules"))
	}
	return dir
}
