package provision

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

var update = flag.Bool("update", false, "write the golden files")

func TestUserDataGolden(t *testing.T) {
	for name, u := range map[string]userData{
		"plain": {
			AuthorizedKeys: []string{"ssh-ed25519 AAAA operator"},
			HostPrivate:    secret.New("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"), HostPublic: "ssh-ed25519 BBBB",
		},
		"full": {
			Packages: []string{"nginx-light", "mariadb-server", "cron", "cron"}, Services: []string{"nginx.service", "cron.service"},
			AuthorizedKeys: []string{"ssh-ed25519 AAAA operator"}, User: "deploy",
			HostPrivate: secret.New("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"), HostPublic: "ssh-ed25519 BBBB",
			Files: []userFile{{Path: "/etc/ssh/sshd_config.d/10-migrate.conf", Mode: "0644", Content: "Port 2222\n"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := u.render()
			require.NoError(t, err)
			golden := filepath.Join("testdata", "userdata-"+name+".yaml")
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(golden, []byte(text), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), text)
			require.True(t, strings.HasPrefix(text, "#cloud-config\n"))
			require.NoError(t, yaml.Unmarshal([]byte(text), &map[string]any{}))
		})
	}
}

func TestUserDataHasALimit(t *testing.T) {
	u := userData{}
	for i := range 8000 {
		u.Packages = append(u.Packages, strings.Repeat("a", i%9+3)+strings.Repeat("b", i/9%997+1)[:min(9, i/9%997+1)]+string(rune('a'+i%26)))
	}
	u.Files = []userFile{{Path: "/x", Content: strings.Repeat("x", maxUserData)}}
	_, err := u.render()
	require.ErrorContains(t, err, "the vendor takes 65536")
	require.NotEmpty(t, report.Hint(err))
}
