package parity

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/dosim"
	"github.com/dcmigrate/migrate/lab/machine"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/plan/plantest"
	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/provision/provisiontest"
	"github.com/dcmigrate/migrate/remote"
)

const helloUnit = `[Unit]
Description=says hello
[Service]
User=hello
ExecStart=/bin/sh -c 'cat /srv/hello/greeting; exec sleep infinity'
[Install]
WantedBy=multi-user.target
`

// TestWholeSite makes a site on hosts that cloud-init boots, exercises the steps that
// need systemd, and undoes everything.
func TestWholeSite(t *testing.T) {
	network := labNetwork(t)
	droplets := &labDroplets{network: network, hosts: map[int]*machine.Host{}, rules: map[string]dosim.Rules{}, names: map[int]string{}}
	vendor := provisiontest.NewVendor(t, dosim.Options{
		Booter: droplets, Public: netip.MustParsePrefix("10.215.1.0/24"), Private: netip.MustParsePrefix("10.215.2.0/24"),
	})
	file, authorized := provisiontest.Identity(t)
	site := provisiontest.Site(authorized)
	site.SSHPort = 0
	site.Hosts[0].OldAddress = netip.MustParseAddr("10.215.0.10")
	site.Hosts[0].Facts.Packages = []string{"nginx-light"}
	site.Hosts[0].Facts.Services = []string{"nginx.service", "hello.service", "cron.service"}
	site.Applications = []provision.Application{{
		Name: "hello", Hosts: []string{"app1"}, Files: []string{"/srv/hello", "/etc/nginx/sites-enabled", "/etc/systemd/system/hello.service"},
		Services: []string{"hello.service", "nginx.service"}, Health: "http://{address}/health",
	}}
	directory, err := provision.OpenDirectory(t.TempDir(), 0)
	require.NoError(t, err)
	source, err := network.Boot(t.Context(), machine.Spec{
		Name: "app1", Layer: machine.OldSite, Addresses: []netip.Addr{site.Hosts[0].OldAddress},
		Files: map[string]machine.File{
			"/etc/systemd/system/hello.service": {Content: []byte(helloUnit)},
			"/srv/hello/greeting":               {Content: []byte("database at 192.0.2.20\n")},
			"/etc/nginx/sites-enabled/default":  {Link: "/srv/hello/site.conf"},
			"/srv/hello/site.conf":              {Content: []byte("server { listen 10.215.0.10:80; location = /health { return 200; } }\n")},
		},
	})
	require.NoError(t, err)
	hosts := &labHosts{identity: file, directory: directory, source: execHost{source}, targets: map[string]remote.Host{}}
	t.Cleanup(hosts.close)
	provisiontest.Output(t, hosts.source, "useradd --system --uid 777 --no-create-home hello; chown -R hello /srv/hello")
	d := provision.Deps{Cloud: vendor.Client, Directory: directory, Hosts: hosts, Interval: 100 * time.Millisecond}

	stages, err := provision.Stages(t.Context(), site, d)
	require.NoError(t, err)
	stages = append(stages, Stages(site, d)...)
	befores := map[string]plan.State{}
	for _, stage := range stages {
		for _, step := range stage.Steps {
			state, err := step.Op.Check(t.Context())
			require.NoError(t, err, step.Name)
			befores[stage.Name+"/"+step.Name] = state
			switch stage.Name {
			case provision.StageFirstBoot, stageFiles, stageServices:
				t.Run(stage.Name+"/"+step.Name, func(t *testing.T) { plantest.Exercise(t, step) })
			default:
				provisiontest.Apply(t, step)
			}
		}
	}
	target := hosts.Target("app1")
	require.Equal(t, "database at "+privateAddress(t, directory, "db1")+"\n", provisiontest.Output(t, target, "cat /srv/hello/greeting"))
	require.Equal(t, "app1\n", provisiontest.Output(t, target, "hostname"))
	require.Equal(t, "hello\n", provisiontest.Output(t, target, "ps -o user= -p $(systemctl show -p MainPID --value hello) | sed 's/ *$//'"))
	require.True(t, droplets.rules["app1"].Enforced)
	require.True(t, openToTheWorld(droplets.rules["app1"], 80))
	require.False(t, openToTheWorld(droplets.rules["db1"], 80), "only the role's ports are open to the world")

	for _, stage := range stages {
		for _, step := range stage.Steps {
			state, err := step.Op.Check(t.Context())
			require.NoError(t, err)
			require.True(t, state.Done, "a second apply finds nothing to do: %s/%s: %s", stage.Name, step.Name, state.Now)
		}
	}
	for _, stage := range slices.Backward(stages) {
		for _, step := range slices.Backward(stage.Steps) {
			before := befores[stage.Name+"/"+step.Name].Before
			require.NoError(t, step.Op.Undo(t.Context(), before), "%s/%s", stage.Name, step.Name)
		}
	}
	require.Empty(t, vendor.Sim.Machines())
	tags, err := vendor.Client.ListTags(t.Context())
	require.NoError(t, err)
	require.Empty(t, tags)
	require.Empty(t, directory.Hosts())
}

// openToTheWorld reports whether the world may connect to a tcp port.
func openToTheWorld(r dosim.Rules, port int) bool {
	return slices.ContainsFunc(r.Inbound, func(r dosim.Rule) bool {
		return r.Protocol == "tcp" && r.FromPort == port && slices.Contains(r.Peers, netip.MustParsePrefix("0.0.0.0/0"))
	})
}

func privateAddress(t *testing.T, d *provision.Directory, name string) string {
	t.Helper()
	m, err := d.Lookup(name)
	require.NoError(t, err)
	return m.Private.String()
}
