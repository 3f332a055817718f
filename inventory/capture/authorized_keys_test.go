package capture

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/remote"
)

const publicKeyLine = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAeMSYlj6u2JTJqCSBvQXGIRcpNY0cEuQYlqZ0qxYb+e"

// parseKeys parses text as a file of the user dev's keys.
func parseKeys(t *testing.T, file, text string) *parser {
	t.Helper()
	p := newParser(Target{Host: remote.NewLocal("web1")}, answer{}, testOptions().Redactor)
	p.host.Users = []inventory.Account{{Name: "dev", UID: 1000, Home: "/home/dev", Shell: "/bin/bash"}}
	p.contents[file] = text
	p.authorizedKeys()
	p.redactStrings()
	return p
}

// Keys and their options are kept. Secrets in the options are redacted, however they
// are quoted, and listed in the manifest.
func TestAuthorizedKeysAreKept(t *testing.T) {
	const file = "/home/dev/.ssh/authorized_keys"
	p := parseKeys(t, file, `# of dev
`+publicKeyLine+` dev@laptop
restrict,pty,from="10.0.0.5,!10.0.0.6",command="echo \"a b\"" `+publicKeyLine+`
environment="API_TOKEN=canary-1 and more",environment="LANG=C",environment="DB=mysql://app:canary-2@db/shop" `+publicKeyLine+` token=canary-3-abc
command="mysqldump --password=\"canary-4 x\" shop",no-pty `+publicKeyLine+`
command="mysqldump -pcanary-5 shop" `+publicKeyLine+`
`)
	require.Empty(t, p.host.Missing)
	require.Len(t, p.host.AuthorizedKeys, 5)
	for _, k := range p.host.AuthorizedKeys {
		require.Equal(t, publicKeyLine, k.Public)
		require.Equal(t, "SHA256:", k.Fingerprint[:7])
	}
	require.Equal(t, `restrict,pty,from="10.0.0.5,!10.0.0.6",command="echo \"a b\""`, p.host.AuthorizedKeys[1].Options)
	token := p.redactor.Token
	require.Equal(t, `environment="API_TOKEN=`+token("canary-1 and more")+`",environment="LANG=C",environment="DB=mysql://app:`+token("canary-2")+`@db/shop"`, p.host.AuthorizedKeys[2].Options)
	require.Equal(t, `command="mysqldump --password=\"`+token("canary-4 x")+`\" shop",no-pty`, p.host.AuthorizedKeys[3].Options)
	require.NotContains(t, fmt.Sprintf("%+v", p.host), "canary")
	require.Equal(t, inventory.Secret{Path: file, Line: 4, Kind: "token", Key: "API_TOKEN", Token: token("canary-1 and more")}, p.host.Secrets[0])
	require.Len(t, p.host.Secrets, 4, "%v", p.host.Secrets)
}

// The files of keys are those that sshd_config names: the first line outside of Match
// blocks, and those of all Match blocks.
func TestWhereKeysAre(t *testing.T) {
	dev := inventory.Account{Name: "dev", UID: 1000, Home: "/home/dev", Shell: "/bin/bash"}
	for _, c := range []struct{ name, config, want string }{
		{"default", "file\n", "/home/dev/.ssh/authorized_keys /home/dev/.ssh/authorized_keys2"},
		{"first file wins", "file\nAuthorizedKeysFile\t.ssh/authorized_keys /etc/ssh/keys/%u\nfile\nAuthorizedKeysFile /other/%u\n", "/home/dev/.ssh/authorized_keys /etc/ssh/keys/dev"},
		{"match adds", "file\nMatch User git\n authorizedkeysfile=\"%h/keys\"\nfile\nAuthorizedKeysFile /srv/%U/keys/100%%\n", "/srv/1000/keys/100% /home/dev/keys"},
		{"none", "file\nMatch all\nAuthorizedKeysFile none\nAuthorizedKeysCommandUser nobody\nAuthorizedKeysCommand none\nfile", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newParser(Target{Host: remote.NewLocal("web1")}, answer{}, testOptions().Redactor)
			require.NoError(t, p.sshd(c.config))
			require.Equal(t, c.want, strings.Join(p.keyFilesOf(dev), " "))
			require.Empty(t, p.host.Missing)
		})
	}
	p := newParser(Target{Host: remote.NewLocal("web1")}, answer{}, testOptions().Redactor)
	require.NoError(t, p.sshd("file\nAuthorizedKeysCommand /usr/bin/sss_ssh_authorizedkeys --debug %u\n"))
	require.Equal(t, []inventory.Missing{{What: "keys of AuthorizedKeysCommand", Reason: inventory.Skipped, Detail: "/usr/bin/sss_ssh_authorizedkeys gives keys that are in no file"}}, p.host.Missing)
	require.Len(t, p.keyFilesOf(inventory.Account{UID: 1001, Home: "/home/sftp", Shell: "/usr/sbin/nologin"}), 2, "sshd serves files to it")
	require.Empty(t, p.keyFilesOf(inventory.Account{UID: 1, Home: "/usr/sbin", Shell: "/usr/sbin/nologin"}))
	require.Len(t, p.keyFilesOf(inventory.Account{Home: "/root", Shell: "/bin/bash"}), 2)
}

// A file of keys below /etc is configuration: its secrets are found in its contents,
// and listed once.
func TestKeysBelowEtcAreConfiguration(t *testing.T) {
	const file = "/etc/ssh/keys/dev"
	p := newParser(Target{Host: remote.NewLocal("web1")}, answer{}, testOptions().Redactor)
	require.NoError(t, p.sshd("file\nAuthorizedKeysFile /etc/ssh/keys/%u\n"))
	p.host.Users = []inventory.Account{{Name: "dev", UID: 1000, Home: "/home/dev", Shell: "/bin/bash"}}
	p.host.Configuration = []inventory.File{{Path: file, Kind: "file"}}
	p.contents[file] = `environment="API_TOKEN=canary" ` + publicKeyLine + "\n"
	require.Contains(t, p.filesToFetch(), file)
	p.authorizedKeys()
	require.Len(t, p.host.AuthorizedKeys, 1)
	require.Empty(t, p.host.Secrets)
	require.NoError(t, p.storeContents(inventory.NewObjects(t.TempDir())))
	require.Len(t, p.host.Secrets, 1)
	require.NotEmpty(t, p.host.Configuration[0].Content)
}
