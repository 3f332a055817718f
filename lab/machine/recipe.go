package machine

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// suite is the Debian release of every lab host.
const suite = "bookworm"

// recipe determines the contents of a base tree. Its digest names the tree, so a
// changed recipe leads to a new one. Mirrors are not part of it: they do not change
// the packages.
type recipe struct {
	Version int    // raise it when the builder's code changes
	Suite   string // of Debian

	Core    []string // packages on every host
	Site    []string // further packages on old site hosts
	Droplet []string // further packages on droplets
	Pool    []string // packages that hosts may install; their dependencies come along

	Masked []string // units that no host needs

	CoreFiles, SiteFiles, DropletFiles map[string]string // by path in the tree
}

// currentRecipe returns the recipe that Base follows.
func currentRecipe() recipe {
	return recipe{
		Version: 1,
		Suite:   suite,
		Core: []string{
			"systemd", "systemd-sysv", "dbus", "openssh-server", "iproute2", "iputils-ping", "nftables", "cron",
			"sudo", "curl", "ca-certificates", "rsync", "procps", "logrotate", "less", "lsb-release",
		},
		Site:    []string{"mariadb-server", "nginx-light"},
		Droplet: []string{"cloud-init", "python3-apt"},
		Pool: []string{
			"mariadb-server", "mariadb-client", "mariadb-backup", "nginx", "nginx-light", "nginx-core",
			"redis-server", "haproxy", "python3-minimal", "wireguard-tools", "git", "unzip", "chrony",
		},
		Masked: []string{
			"apt-daily.timer", "apt-daily-upgrade.timer", "apt-daily.service", "apt-daily-upgrade.service",
			"man-db.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "dpkg-db-backup.timer",
			"systemd-networkd.service", "systemd-networkd.socket", "systemd-networkd-wait-online.service",
			"systemd-resolved.service", "systemd-timesyncd.service", "systemd-firstboot.service",
			"console-getty.service", "getty.target", "systemd-journal-flush.service",
		},
		CoreFiles: map[string]string{
			// Documentation is most of what unpacking takes, and its triggers most of the rest.
			"/etc/dpkg/dpkg.cfg.d/lab": "path-exclude=/usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\n" +
				"path-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\npath-exclude=/usr/share/info/*\nforce-unsafe-io\n",
			"/etc/apt/apt.conf.d/90lab": "APT::Install-Recommends \"false\";\nAcquire::Languages \"none\";\n" +
				"APT::Periodic::Enable \"0\";\nDPkg::Lock::Timeout \"120\";\n",
			"/etc/systemd/journald.conf.d/lab.conf": "[Journal]\nStorage=volatile\nRuntimeMaxUse=32M\n",
			// A host that shuts down slowly delays everyone who waits for the lab to end.
			"/etc/systemd/system.conf.d/lab.conf": "[Manager]\nDefaultTimeoutStopSec=10s\nDefaultDeviceTimeoutSec=5s\n",
		},
		SiteFiles: map[string]string{
			"/etc/mysql/mariadb.conf.d/60-lab.cnf": "[mariadbd]\ninnodb_buffer_pool_size=64M\ninnodb_log_file_size=32M\n",
		},
		DropletFiles: map[string]string{
			"/etc/cloud/cloud.cfg.d/90_lab.cfg": dropletConfig,
		},
	}
}

// dropletConfig makes cloud-init behave as on a new droplet: root is the only user
// and logs in by key. The lab sets the addresses from outside, and apt keeps the
// tree's sources.
const dropletConfig = `datasource_list: [NoCloud]
network: {config: disabled}
disable_root: false
users: []
ssh_pwauth: false
ssh_genkeytypes: [ed25519, ecdsa]
locale: false
preserve_hostname: false
apt: {preserve_sources_list: true}
growpart: {mode: "off"}
resize_rootfs: false
manage_etc_hosts: false
`

// digest returns a hash of the recipe, 12 hexadecimal digits.
func (r recipe) digest() string {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings, slices and maps of strings always marshal
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))[:12]
}

// writeFiles writes files below root.
func writeFiles(root string, files map[string]string) error {
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := writeFile(filepath.Join(root, path), []byte(files[path]), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// maskUnits masks units below root.
func maskUnits(root string, units []string) error {
	dir := filepath.Join(root, "etc/systemd/system")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("create folder: %w", err)
	}
	for _, unit := range units {
		path := filepath.Join(dir, unit)
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("mask unit: %w", err)
		}
		if err := os.Symlink("/dev/null", path); err != nil {
			return fmt.Errorf("mask unit: %w", err)
		}
	}
	return nil
}
