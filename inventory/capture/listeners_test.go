package capture

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
)

func TestParseListener(t *testing.T) {
	for line, want := range map[string]inventory.Listener{
		`tcp LISTEN 0 80 *:80 *:* users:(("nginx",pid=7,fd=6),("nginx",pid=8,fd=6))`:       {Protocol: "tcp", Address: "*", Port: 80, Process: "nginx"},
		`tcp LISTEN 0 80 [::1]:25 [::]:*`:                                                  {Protocol: "tcp", Address: "::1", Port: 25, Process: ""},
		`udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:* users:(("systemd resolve",pid=7,fd=6))`: {Protocol: "udp", Address: "127.0.0.53%lo", Port: 53, Process: "systemd resolve"},
	} {
		t.Run(want.Address, func(t *testing.T) {
			got, _, err := parseListener(line)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
	for _, line := range []string{"tcp", "tcp LISTEN 0 0 nonsense *:*", "tcp LISTEN 0 0 1.1.1.1:x *:*"} {
		_, _, err := parseListener(line)
		require.Error(t, err, line)
	}
}
