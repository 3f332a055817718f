package capture

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/show"
	"github.com/dcmigrate/migrate/remote"
)

func TestParseCapturedHost(t *testing.T) {
	h := recordedHost(t)
	var text, shown bytes.Buffer
	require.NoError(t, inventory.WriteJSON(&text, h))
	golden(t, "db1.json", text.Bytes())
	require.NoError(t, show.Overview(&shown, []*inventory.Host{h}))
	shown.WriteByte('\n')
	require.NoError(t, show.Host(&shown, h))
	golden(t, "db1.txt", shown.Bytes())

	require.Contains(t, h.Disks, inventory.Disk{Mount: "/var/lib/my sql", Device: "/dev/sdb1", FS: "xfs", Size: 104806400 << 10, Used: 52428800 << 10})
	require.Contains(t, h.Disks, inventory.Disk{Mount: "/mnt/up loads", Device: "10.0.0.9:/export", FS: "nfs4"})
	require.Contains(t, h.Services, inventory.Service{Unit: "getty@tty1.service", Active: "active", Package: "systemd"})
	require.Contains(t, h.Services, inventory.Service{Unit: "backup.service", Active: "failed"})
	require.Contains(t, h.Listeners, inventory.Listener{Protocol: "tcp", Address: "10.0.0.5", Port: 3306, Process: "mariadbd", Package: "mariadb-server", Unit: "mariadb.service", Cause: inventory.Cause{Kind: inventory.ByPackage, Name: "mariadb-server"}})
	require.Contains(t, h.Missing, inventory.Missing{What: "/srv/blog/absent", Reason: inventory.Absent, Detail: "no such file"})
	for _, p := range h.Packages {
		require.NotEqual(t, "old-package", p.Name, "it is removed, only its settings are left")
		if p.Name == "libc6" {
			require.Equal(t, p.Architecture == "i386", p.Manual)
		}
	}
}

// A parsed host is the same after it was saved and loaded.
func TestParsedHostSurvivesTheStore(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, inventory.Save(dir, recordedHost(t)))
	loaded, err := inventory.Load(dir)
	require.NoError(t, err)
	require.Equal(t, []*inventory.Host{recordedHost(t)}, loaded)
}

func FuzzAnswer(f *testing.F) {
	f.Add(recorded(f, "db1", 1201))
	f.Add([]byte(answerHeader + "self 1\nsizes\ndata\nend\n"))
	target := Target{Host: remote.NewLocal("db1"), Files: []string{"/x"}, MySQL: &MySQLTarget{}}
	f.Fuzz(func(t *testing.T, answer []byte) {
		a, err := parseFrames(answer)
		if err != nil {
			return
		}
		h := parseAnswer(t, a, target, nil)
		require.Equal(t, h, parseAnswer(t, a, target, nil), "parsing twice differs")
		require.NoError(t, show.Overview(&bytes.Buffer{}, []*inventory.Host{h}))
		require.NoError(t, show.Host(&bytes.Buffer{}, h))
	})
}
