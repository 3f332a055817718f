package provision

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

// userData is the cloud-init configuration of a new host's first boot.
type userData struct {
	Packages []string
	// Services are enabled if the packages bring them. Units that come with an
	// application's files are enabled after its files are copied.
	Services       []string
	AuthorizedKeys []string
	// User is an account besides root, with the same keys and sudo; empty is none.
	User string
	// HostPrivate and HostPublic are the bootstrap host key.
	HostPrivate secret.Value
	HostPublic  string
	Files       []userFile
	Volumes     []volumeFor
}

// userFile is a file that is written before services start.
type userFile struct {
	Path    string
	Mode    string // "0644"
	Content string
}

// cloudConfig is the part of cloud-init's schema that userData needs, in its order.
// https://cloudinit.readthedocs.io/en/latest/reference/modules.html
type cloudConfig struct {
	DisableRoot    bool          `yaml:"disable_root"`
	SSHPasswords   bool          `yaml:"ssh_pwauth"`
	Users          []cloudUser   `yaml:"users"`
	AuthorizedKeys []string      `yaml:"ssh_authorized_keys"`
	DeleteKeys     bool          `yaml:"ssh_deletekeys"`
	HostKeys       cloudHostKeys `yaml:"ssh_keys"`
	Mounts         [][]string    `yaml:"mounts,omitempty"`
	WriteFiles     []cloudFile   `yaml:"write_files,omitempty"`
	UpdatePackages bool          `yaml:"package_update"`
	Upgrade        bool          `yaml:"package_upgrade"`
	Packages       []string      `yaml:"packages,omitempty"`
	Run            [][]string    `yaml:"runcmd,omitempty"`
}

type cloudUser struct {
	Name           string   `yaml:"name"`
	Shell          string   `yaml:"shell"`
	Sudo           string   `yaml:"sudo"`
	LockPassword   bool     `yaml:"lock_passwd"`
	AuthorizedKeys []string `yaml:"ssh_authorized_keys"`
}

type cloudHostKeys struct {
	Private string `yaml:"ed25519_private"`
	Public  string `yaml:"ed25519_public"`
}

type cloudFile struct {
	Path        string `yaml:"path"`
	Permissions string `yaml:"permissions"`
	Content     string `yaml:"content"`
}

// enableScript enables the units that exist. It tries all of them, and fails at the
// end if it could not enable one.
const enableScript = `failed=; for u; do systemctl cat -- "$u" >/dev/null 2>&1 || continue; systemctl enable -- "$u" || failed="$failed $u"; done; [ -z "$failed" ] || { echo "cannot enable:$failed" >&2; exit 1; }`

// render returns the #cloud-config document. The same values give the same bytes. It
// fails if the document is larger than maxUserData.
func (u userData) render() (string, error) {
	c := cloudConfig{
		AuthorizedKeys: u.AuthorizedKeys,
		DeleteKeys:     true,
		HostKeys:       cloudHostKeys{u.HostPrivate.Open(), u.HostPublic + "\n"},
		UpdatePackages: true,
		Packages:       slices.Compact(slices.Sorted(slices.Values(u.Packages))),
		Users:          []cloudUser{},
	}
	if u.User != "" && u.User != "root" {
		c.Users = append(c.Users, cloudUser{u.User, "/bin/bash", "ALL=(ALL) NOPASSWD:ALL", true, u.AuthorizedKeys})
	}
	for _, v := range u.Volumes { // the vendor has made the filesystem
		c.Mounts = append(c.Mounts, []string{"/dev/disk/by-id/scsi-0DO_Volume_" + v.Name, v.Path, "ext4", "defaults,nofail,discard,noatime", "0", "2"})
	}
	for _, f := range u.Files {
		c.WriteFiles = append(c.WriteFiles, cloudFile{f.Path, f.Mode, f.Content})
	}
	if units := slices.Compact(slices.Sorted(slices.Values(u.Services))); len(units) > 0 {
		c.Run = [][]string{append([]string{"sh", "-c", enableScript, "enable"}, units...)}
	}
	var b bytes.Buffer
	b.WriteString("#cloud-config\n")
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(c); err != nil {
		return "", fmt.Errorf("write user-data: %w", err)
	}
	if err := enc.Close(); err != nil {
		return "", fmt.Errorf("write user-data: %w", err)
	}
	if b.Len() > maxUserData {
		return "", report.WithHint(fmt.Errorf("user-data is %d bytes, the vendor takes %d", b.Len(), maxUserData),
			"build an image with the packages and set provision.digitalocean.image")
	}
	return b.String(), nil
}

// userData returns the user-data of a host of the site.
func (s Site) userData(h HostSpec, key bootstrapKey) userData {
	u := userData{
		Packages:       h.Facts.Packages,
		Services:       h.Facts.Services,
		AuthorizedKeys: []string{strings.TrimSpace(s.SSHPublicKey)},
		User:           s.SSHUser,
		HostPrivate:    key.Private,
		HostPublic:     key.Public,
	}
	if s.sshPort() != 22 {
		u.Files = append(u.Files, userFile{"/etc/ssh/sshd_config.d/10-migrate.conf", "0644", fmt.Sprintf("Port %d\n", s.sshPort())})
	}
	return u
}
