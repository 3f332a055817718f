package capture

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
)

// generatedFilesOf parses text as the output of the section "originals".
func generatedFilesOf(t *testing.T, text string, status int) generatedFiles {
	t.Helper()
	p := newParser(Target{Host: remote.NewLocal("web1")}, answer{sections: map[string]section{"originals": {status: status, out: []byte(text)}}}, testOptions().Redactor)
	return p.readGeneratedFiles()
}

// A file counts as generated only if the host proves it. All other files are captured.
func TestWhatScriptsMakeIsProven(t *testing.T) {
	sum, other := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	text := sum + "  /usr/share/base-files/motd\x00manual editor\nfile /etc/networks\nloopback\t127.0.0.0\nfile /etc/shells\n/bin/sh\nmanual is no choice here\n"
	whole, cut := generatedFilesOf(t, text, 0), generatedFilesOf(t, text, 124)
	for _, c := range []struct {
		name, kind, sum string
		whole, cut      bool
	}{
		{"/etc/motd", "file", sum, true, false},
		{"/etc/motd", "file", other, false, false},
		{"/etc/motd", "file", emptyFile, false, false},
		{"/etc/motd", "file", "", false, false},
		{"/etc/inputrc", "file", sum, false, false}, // its original does not exist
		{"/etc/environment", "file", emptyFile, true, true},
		{"/etc/hosts.allow", "file", emptyFile, false, false},
		{"/etc/networks", "file", sum, true, false},
		{"/etc/shells", "file", sum, false, false},
		{"/etc/locale.gen", "file", sum, false, false}, // it could not be read
		{"/etc/mysql/my.cnf", "link", "", true, true},
		{"/etc/mysql/my.cnf", "file", sum, false, false},
		{"/etc/alternatives/pager", "link", "", true, true},
		{"/etc/alternatives/editor", "link", "", false, true},
		{"/etc/machine-id", "file", sum, true, true},
		{"/etc/skel/.vimrc", "file", sum, false, false},
	} {
		t.Run(fmt.Sprintf("%s %s %.4s", c.kind, c.name, c.sum), func(t *testing.T) {
			require.Equal(t, c.whole, whole.isPristine(c.name, c.kind, c.sum))
			require.Equal(t, c.cut, cut.isPristine(c.name, c.kind, c.sum), "the section was cut off")
		})
	}
	require.Empty(t, generatedFilesOf(t, "", 0).composed)
}

// The capture of an unchanged system lists none of the files that packages' scripts
// generate. Edited ones, and files added beside them, are listed.
func TestCaptureWhatScriptsMake(t *testing.T) {
	for _, release := range []string{"bookworm", "trixie"} {
		t.Run(release, func(t *testing.T) {
			host := newDebianHost(t, release)
			found := func() map[string]string {
				names := map[string]string{}
				for _, f := range captureOne(t, Target{Host: host, onlySections: append([]string{"tree", "tree-sums", "owners", "conffile-sums", "originals"}, basicSections...)}).Configuration {
					if f.Kind != kinds["d"] {
						names[string(f.Path)] = f.Package
					}
				}
				return names
			}
			clean := found()
			for name := range clean {
				require.False(t, editablePaths.MatchString(name), name)
			}
			changed := map[string]string{
				"/etc/apparmor.d/local/usr.sbin.mysqld": "", "/etc/environment": "", "/etc/hosts.deny": "", "/etc/nsswitch.conf": "", "/etc/pam.d/common-auth": "",
				"/etc/php/8.2/fpm/conf.d/99-site.ini": "", "/etc/polkit-1/rules.d/50-site.rules": "", "/etc/profile": "", "/etc/ssl/certs/shop.pem": "", "/etc/inputrc": "",
				"/etc/issue": "base-files", "/etc/issue.net": "base-files", "/etc/bash.bashrc": "bash", "/etc/skel/.bashrc": "bash", // they are configuration files of packages
				"/etc/skel/.vimrc": "", "/etc/iproute2/rt_tables.d/site.conf": "", "/etc/apparmor.d/abstractions/site": "", "/etc/mysql/my.cnf": "", "/etc/systemd/system/mysql.service": "",
			}
			texts := map[string]string{"/etc/motd": "", "/etc/default/locale": "LANG=de_DE.UTF-8\n", "/etc/locale.gen": "# all\nde_DE.UTF-8 UTF-8\n", "/etc/networks": "default 0.0.0.0\nsite 10.0.0.0\n", "/etc/shells": "/bin/sh\n/usr/bin/git-shell\n"}
			for name := range changed {
				texts[name] = "# ours\n"
			}
			for name, text := range texts {
				changed[name] += ""
				if err := os.Remove(host.root + name); err != nil { // one may be a link
					require.ErrorIs(t, err, os.ErrNotExist)
				}
				host.write(t, name, text, 0o644)
			}
			require.NoError(t, os.Symlink("/usr/share/x.pem", host.root+"/etc/ssl/certs/x.pem"))
			require.NoError(t, os.Symlink("/etc/php/8.2/mods-available/x.ini", host.root+"/etc/php/8.2/fpm/conf.d/20-x.ini"))
			host.write(t, "/var/lib/dpkg/alternatives/pager", "manual\n/usr/bin/pager\n\n/bin/more\n50\n\n", 0o644)
			require.Contains(t, clean, "/etc/apt/sources.list")
			require.NotContains(t, clean, "/etc/alternatives/pager")
			require.FileExists(t, host.root+"/var/lib/dpkg/alternatives/pager")
			changed["/etc/alternatives/pager"] = ""
			now := found()
			for name := range clean {
				delete(now, name)
			}
			require.Equal(t, changed, now)

			for name, text := range map[string]string{ // as scripts of other packages write them, or with comments only
				"/etc/default/locale": "#  File generated by update-locale\nLANG=\"C.UTF-8\"\n", "/etc/locale.gen": "# de_DE.UTF-8 UTF-8\n\n",
				"/etc/networks": "default\t\t0.0.0.0\nloopback\t127.0.0.0\nlink-local\t169.254.0.0\n\n", "/etc/shells": "# ours\n/bin/sh\n/usr/bin/zsh\n/usr/bin/tmux\n",
			} {
				host.write(t, name, text, 0o644)
				require.NotContains(t, found(), name)
			}
		})
	}
}
