package dosim

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

// createWebAndDB creates web-1 (tagged web) and db-1 (tagged db) and waits until they
// are active.
func createWebAndDB(t *testing.T, client *godo.Client) (web, db *godo.Droplet) {
	t.Helper()
	var out []*godo.Droplet
	for _, role := range []string{"web", "db"} {
		in := dropletRequest(role + "-1")
		in.Tags = []string{role}
		d, _, err := client.Droplets.Create(t.Context(), in)
		require.NoError(t, err)
		out = append(out, waitActive(t, client, d.ID))
	}
	return out[0], out[1]
}

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

func (l *lab) waitForRules(t *testing.T, id int, want Rules) {
	t.Helper()
	require.Eventually(t, func() bool { return l.booter.rulesOf(id).equal(want) }, 10*time.Second, time.Millisecond,
		"want %+v, have %+v", want, l.booter.rulesOf(id))
}

func everywhere() *godo.Sources { return &godo.Sources{Addresses: []string{"0.0.0.0/0", "::/0"}} }

func TestFirewallResolvesRules(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	ctx := t.Context()
	web, db := createWebAndDB(t, client)
	require.False(t, l.booter.rulesOf(db.ID).Enforced, "without a firewall everything passes")

	wall, resp, err := client.Firewalls.Create(ctx, &godo.FirewallRequest{
		Name: "db-firewall", Tags: []string{"db"},
		InboundRules: []godo.InboundRule{
			{Protocol: "tcp", PortRange: "22", Sources: everywhere()},
			{Protocol: "tcp", PortRange: "3306-3307", Sources: &godo.Sources{Tags: []string{"web"}}},
			{Protocol: "udp", PortRange: "all", Sources: &godo.Sources{DropletIDs: []int{web.ID}, Addresses: []string{"192.0.2.7"}}},
			{Protocol: "icmp", PortRange: "0", Sources: everywhere()},
		},
		OutboundRules: []godo.OutboundRule{{Protocol: "tcp", PortRange: "all", Destinations: &godo.Destinations{Addresses: []string{"0.0.0.0/0"}}}},
	})
	require.NoError(t, err)
	require.Equal(t, 202, resp.StatusCode)
	require.Equal(t, "waiting", wall.Status)
	require.Equal(t, "0", wall.InboundRules[2].PortRange, `the API answers "0" for all`)

	webOnly := prefixes("10.213.1.11/32", "10.213.2.11/32")
	want := Rules{Enforced: true, Inbound: []Rule{
		{Protocol: "icmp", Peers: prefixes("0.0.0.0/0", "::/0")},
		{Protocol: "tcp", FromPort: 22, ToPort: 22, Peers: prefixes("0.0.0.0/0", "::/0")},
		{Protocol: "tcp", FromPort: 3306, ToPort: 3307, Peers: webOnly},
		{Protocol: "udp", FromPort: 0, ToPort: 65535, Peers: append(webOnly, prefixes("192.0.2.7/32")...)},
	}, Outbound: []Rule{{Protocol: "tcp", ToPort: 65535, Peers: prefixes("0.0.0.0/0")}}}
	l.waitForRules(t, db.ID, want)
	require.False(t, l.booter.rulesOf(web.ID).Enforced, "it applies to the tag only")
	require.Eventually(t, func() bool {
		wall, _, err := client.Firewalls.Get(ctx, wall.ID)
		return err == nil && wall.Status == "succeeded" && len(wall.PendingChanges) == 0
	}, 10*time.Second, time.Millisecond)

	// A second web droplet joins the sources by its tag, and leaves them when it is deleted.
	in := dropletRequest("web-2")
	in.Tags = []string{"web"}
	second, _, err := client.Droplets.Create(ctx, in)
	require.NoError(t, err)
	waitActive(t, client, second.ID)
	grown := want
	grown.Inbound = append([]Rule(nil), want.Inbound...)
	grown.Inbound[2].Peers = prefixes("10.213.1.11/32", "10.213.1.13/32", "10.213.2.11/32", "10.213.2.13/32")
	l.waitForRules(t, db.ID, grown)
	_, err = client.Droplets.Delete(ctx, second.ID)
	require.NoError(t, err)
	l.waitForRules(t, db.ID, want)

	// Untagged, the droplet is open again; tagged, closed.
	resource := godo.Resource{ID: "0", Type: godo.DropletResourceType}
	resource.ID = dropletID(db)
	_, err = client.Tags.UntagResources(ctx, "db", &godo.UntagResourcesRequest{Resources: []godo.Resource{resource}})
	require.NoError(t, err)
	l.waitForRules(t, db.ID, Rules{})
	_, err = client.Tags.TagResources(ctx, "db", &godo.TagResourcesRequest{Resources: []godo.Resource{resource}})
	require.NoError(t, err)
	l.waitForRules(t, db.ID, want)

	_, err = client.Firewalls.Delete(ctx, wall.ID)
	require.NoError(t, err)
	l.waitForRules(t, db.ID, Rules{})
	_, _, err = client.Firewalls.Get(ctx, wall.ID)
	status, _ := statusOf(t, err)
	require.Equal(t, 404, status)
}

func TestFirewallAttachAndDetach(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	ctx := t.Context()
	web, db := createWebAndDB(t, client)
	ssh := godo.InboundRule{Protocol: "tcp", PortRange: "22", Sources: everywhere()}
	wall, _, err := client.Firewalls.Create(ctx, &godo.FirewallRequest{Name: "one", InboundRules: []godo.InboundRule{ssh}})
	require.NoError(t, err)
	require.Equal(t, "succeeded", wall.Status, "it applies to no droplet")
	sshOnly := Rules{Enforced: true, Inbound: []Rule{{Protocol: "tcp", FromPort: 22, ToPort: 22, Peers: prefixes("0.0.0.0/0", "::/0")}}}

	_, err = client.Firewalls.AddDroplets(ctx, wall.ID, web.ID, db.ID)
	require.NoError(t, err)
	l.waitForRules(t, web.ID, sshOnly)
	l.waitForRules(t, db.ID, sshOnly)
	walls, _, err := client.Firewalls.ListByDroplet(ctx, web.ID, nil)
	require.NoError(t, err)
	require.Len(t, walls, 1)
	_, err = client.Firewalls.RemoveDroplets(ctx, wall.ID, web.ID)
	require.NoError(t, err)
	l.waitForRules(t, web.ID, Rules{})

	_, err = client.Firewalls.AddTags(ctx, wall.ID, "web")
	require.NoError(t, err)
	l.waitForRules(t, web.ID, sshOnly)
	_, err = client.Firewalls.RemoveTags(ctx, wall.ID, "web")
	require.NoError(t, err)
	l.waitForRules(t, web.ID, Rules{})

	http80 := godo.InboundRule{Protocol: "tcp", PortRange: "80", Sources: &godo.Sources{DropletIDs: []int{web.ID}}}
	_, err = client.Firewalls.AddRules(ctx, wall.ID, &godo.FirewallRulesRequest{InboundRules: []godo.InboundRule{http80}})
	require.NoError(t, err)
	sshAndHTTP := sshOnly
	sshAndHTTP.Inbound = append([]Rule(nil), sshOnly.Inbound...)
	sshAndHTTP.Inbound = append(sshAndHTTP.Inbound, Rule{Protocol: "tcp", FromPort: 80, ToPort: 80, Peers: prefixes("10.213.1.11/32", "10.213.2.11/32")})
	l.waitForRules(t, db.ID, sshAndHTTP)
	_, err = client.Firewalls.RemoveRules(ctx, wall.ID, &godo.FirewallRulesRequest{InboundRules: []godo.InboundRule{http80}})
	require.NoError(t, err)
	l.waitForRules(t, db.ID, sshOnly)

	replaced, _, err := client.Firewalls.Update(ctx, wall.ID, &godo.FirewallRequest{Name: "two", InboundRules: []godo.InboundRule{http80}})
	require.NoError(t, err)
	require.Equal(t, "two", replaced.Name)
	require.Empty(t, replaced.DropletIDs, "a PUT resets what it does not name")
	l.waitForRules(t, db.ID, Rules{})

	_, _, err = client.Firewalls.Create(ctx, &godo.FirewallRequest{Name: "two", InboundRules: []godo.InboundRule{ssh}})
	status, message := statusOf(t, err)
	require.Equal(t, 409, status)
	require.Equal(t, "duplicate name", message)
}

func TestFirewallRefusals(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	rule := func(protocol, ports string, from *godo.Sources) godo.FirewallRequest {
		return godo.FirewallRequest{Name: "fw", InboundRules: []godo.InboundRule{{Protocol: protocol, PortRange: ports, Sources: from}}}
	}
	cases := map[string]struct {
		in   godo.FirewallRequest
		want string
	}{
		"protocol":   {rule("gre", "80", everywhere()), `invalid protocol: "gre"`},
		"ports":      {rule("tcp", "90-80", everywhere()), `invalid port range: "90-80"`},
		"high port":  {rule("tcp", "65536", everywhere()), `invalid port range: "65536"`},
		"no ports":   {rule("udp", "", everywhere()), `must specify ports for protocol "udp"`},
		"address":    {rule("tcp", "80", &godo.Sources{Addresses: []string{"web"}}), `invalid address: "web"`},
		"tag":        {rule("tcp", "80", &godo.Sources{Tags: []string{"none"}}), `tag "none" was not found`},
		"droplet":    {rule("tcp", "80", &godo.Sources{DropletIDs: []int{1}}), "droplet 1 was not found"},
		"no sources": {rule("tcp", "80", &godo.Sources{}), "a rule needs at least one source or destination"},
		"no rules":   {godo.FirewallRequest{Name: "fw"}, "at least one inbound or outbound rule is required"},
		"name":       {godo.FirewallRequest{Name: "a b"}, "invalid firewall name"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, _, err := client.Firewalls.Create(t.Context(), &c.in)
			status, message := statusOf(t, err)
			require.Equal(t, 422, status)
			require.Equal(t, c.want, message)
		})
	}
}

func TestFirewallFails(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	web, _ := createWebAndDB(t, client)
	l.booter.failOn("firewall", errors.New("no nftables"))
	wall, _, err := client.Firewalls.Create(t.Context(), &godo.FirewallRequest{
		Name: "fw", DropletIDs: []int{web.ID}, InboundRules: []godo.InboundRule{{Protocol: "tcp", PortRange: "22", Sources: everywhere()}},
	})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		wall, _, err := client.Firewalls.Get(t.Context(), wall.ID)
		return err == nil && wall.Status == "failed"
	}, 10*time.Second, time.Millisecond)
	l.closeError = "no nftables"
}
