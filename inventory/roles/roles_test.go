package roles

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
)

func TestMoveGroupsJoinHostsThatTalk(t *testing.T) {
	host := func(name, address string, c ...inventory.Connection) *inventory.Host {
		return &inventory.Host{
			Name: name, Connections: c,
			Network: inventory.Network{Interfaces: []inventory.Interface{{Name: "eth0", Addresses: []string{address + "/24"}}}},
		}
	}
	groups := MoveGroups([]*inventory.Host{
		host("web1", "10.0.0.1", inventory.Connection{Direction: inventory.Out, Protocol: "tcp", Peer: "10.0.0.3", Port: 3306}),
		host("web2", "10.0.0.2"),
		host("db1", "10.0.0.3", inventory.Connection{Direction: inventory.In, Protocol: "tcp", Peer: "10.0.0.1", Port: 3306}),
	})
	require.Equal(t, []MoveGroup{
		{Hosts: []string{"db1", "web1"}, Because: []Link{{From: []string{"web1"}, To: "db1", Protocol: "tcp", Port: 3306}}},
		{Hosts: []string{"web2"}},
	}, groups)
	require.Equal(t, "web1 → db1:3306", groups[0].Because[0].String())
}

func TestRolesAreThoseOfTheConfig(t *testing.T) {
	all := Of([]*inventory.Host{{Name: "web2", Roles: []string{"web"}}, {Name: "db1", MySQL: &inventory.MySQL{}}, {Name: "web1", Roles: []string{"web"}}})
	require.Len(t, all, 2)
	require.Equal(t, "db", all[0].Name)
	require.Equal(t, "web", all[1].Name)
	require.Equal(t, "web1", all[1].Hosts[0].Name)
}
