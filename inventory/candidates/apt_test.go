package candidates

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/lab/machine"
)

// For every package of this machine, and for some that do not exist, this package and
// apt find the same candidate in Debian's own archive. Apt uses separate folders, so
// that neither the machine's sources nor its installed packages play a part.
func TestAgainstApt(t *testing.T) {
	release := osRelease(t)
	require.Equal(t, "debian", release["ID"], "the tests run on Debian")
	target, err := parseImage("debian-" + release["VERSION_ID"] + "-x64")
	require.NoError(t, err)
	main, security, err := machine.Mirrors()
	require.NoError(t, err)

	h := &inventory.Host{Name: "here", OS: inventory.OS{ID: "debian", Release: release["VERSION_ID"], Codename: release["VERSION_CODENAME"]}}
	h.Repositories = []inventory.Repository{{Kind: "deb", URL: main, Suites: []string{target.Codename, target.Codename + "-updates"}, Components: []string{"main", "contrib"}}}
	names := installed(t)
	names = append(names, "no-such-thing", "php5-fpm", "libc7", "mail-transport-agent", "awk", "default-mta", "postgresql-9", "nginx", "linux-image-amd64")
	for _, name := range names {
		h.Packages = append(h.Packages, inventory.Package{Name: name, Version: "0", Architecture: "all", Manual: true})
	}
	s := &search{target: target, wanted: newWanted(), requests: map[suite]*suiteRequest{}}
	s.addHost(h, Options{Mirror: main, SecurityMirror: security})
	for _, name := range names {
		s.wanted.add(name) // also those that findings leave out
	}
	require.NoError(t, s.readSuites(t.Context()))
	require.NoError(t, s.incomplete())
	require.Len(t, s.comparisons, 1)
	c := s.comparisons[0]
	c.search = s

	want := newApt(t, c.sources).candidates(names)
	got := map[string]string{}
	for _, name := range names {
		b, _, _ := c.best(inventory.Package{Name: name, Architecture: "all"})
		got[name] = b.version
	}
	require.Equal(t, want, got)
	found, missing := 0, 0
	for _, version := range got {
		if version == "" {
			missing++
		} else {
			found++
		}
	}
	require.Greater(t, found, 50)
	require.GreaterOrEqual(t, missing, 7)

	c.compare(s)
	require.Contains(t, findingLines(s.found), "here | candidate | no-such-thing 0 | "+target.String()+" does not offer it\n")
	for _, virtual := range []string{"mail-transport-agent", "awk", "default-mta"} {
		require.Regexp(t, `(?m)^here \| candidate \| `+virtual+` 0 \| .* has no package of this name, only others that provide it: [a-z]`, findingLines(s.found))
	}
}

func osRelease(t *testing.T) map[string]string {
	text, err := os.ReadFile("/etc/os-release")
	require.NoError(t, err)
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[key] = strings.Trim(value, `"`)
	}
	return values
}

func installed(t *testing.T) []string {
	out, err := exec.CommandContext(t.Context(), "dpkg-query", "-W", "-f", "${Package}\n").Output()
	require.NoError(t, err)
	names := map[string]bool{}
	for _, name := range strings.Fields(string(out)) {
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// apt is a configuration of apt with given sources only.
type apt struct {
	t      *testing.T
	config string
}

func newApt(t *testing.T, sources []source) apt {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755)) //nolint:gosec // apt's own user fetches
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial", "parts", "trusted"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, sub), 0o755)) //nolint:gosec // as above
	}
	var list strings.Builder
	for _, s := range sources {
		fmt.Fprintf(&list, "deb [arch=amd64 trusted=yes] %s %s %s\n", s.url, s.name, strings.Join(s.components, " "))
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644)) //nolint:gosec // as above
		return path
	}
	a := apt{t, write("apt.conf", fmt.Sprintf(`
Dir::State "%[1]s/state";
Dir::State::status "%[2]s";
Dir::Cache "%[1]s/cache";
Dir::Etc::sourcelist "%[3]s";
Dir::Etc::sourceparts "%[1]s/parts";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "%[1]s/parts";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "root";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Update::Pre-Invoke;
`, dir, write("status", ""), write("sources.list", list.String())))}
	a.run("apt-get", "-q", "-o", "Acquire::Retries=3", "update")
	return a
}

func (a apt) run(name string, args ...string) string {
	cmd := exec.CommandContext(a.t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "APT_CONFIG="+a.config, "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(a.t, err, stderr.String())
	return string(out)
}

// candidates returns apt's candidates by name, empty if there is none.
func (a apt) candidates(names []string) map[string]string {
	all := map[string]string{}
	for _, name := range names {
		all[name] = ""
	}
	for chunk := range slices.Chunk(names, 200) {
		name := ""
		for line := range strings.Lines(a.run("apt-cache", append([]string{"policy"}, chunk...)...)) {
			if !strings.HasPrefix(line, " ") {
				name = strings.TrimSuffix(strings.TrimSpace(line), ":")
			} else if version, ok := strings.CutPrefix(strings.TrimSpace(line), "Candidate: "); ok && version != "(none)" {
				all[name] = version
			}
		}
	}
	return all
}
