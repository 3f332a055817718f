package export

import (
	"regexp"
	"strings"
)

// ofTheSystem are packages that every Debian or Ubuntu brings: debootstrap
// marks them as asked for, and nobody did.
var ofTheSystem = regexp.MustCompile(`^(` + strings.Join([]string{
	`adduser`, `apt`, `apt-utils`, `base-files`, `base-passwd`, `bash`, `bsdutils`, `bsdextrautils`, `coreutils`, `dash`, `dbus(-.*)?`, `debconf(-i18n)?`, `debian-archive-keyring`,
	`ubuntu-keyring`, `debianutils`, `diffutils`, `dpkg`, `e2fsprogs`, `fdisk`, `findutils`, `gcc-\d+-base`, `gpgv`, `grep`, `gzip`, `hostname`, `init`, `init-system-helpers`,
	`lib(acl1|apparmor1|apt-pkg[\d.]+|attr1|audit-common|audit1|blkid1|bpf\d|bz2-1\.0|c-bin|c6|cap-ng0|cap2|cap2-bin|com-err2|crypt1|crypto\+\+\d?|db5\.3|debconfclient0|ext2fs2|fdisk1|ffi\d|gcc-s1|gcrypt20|gmp10|gnutls30|gpg-error0|hogweed\d|idn2-0|kmod2|lz4-1|lzma5|md0|mount1|ncursesw?\d|nettle\d|npth0|p11-kit0|pam0g|pam-modules|pam-modules-bin|pam-runtime|pcre2-8-0|pcre3|proc2-0|procps\d|seccomp2|selinux1|semanage-common|semanage[12]|sepol[12]|smartcols1|ss2|ssl[13](\.1)?|stdc\+\+6|systemd0|systemd-shared|tasn1-6|tinfo6|tirpc.*|udev1|unistring\d|uuid1|xxhash0|zstd1)(t64)?`,
	`login(\.defs)?`, `logsave`, `lsb-base`, `mawk`, `mount`, `ncurses-base`, `ncurses-bin`, `openssl-provider-legacy`, `passwd`, `perl-base`, `rust-coreutils`, `sed`, `sensible-utils`, `sqv`, `sysvinit-utils`, `tar`, `tzdata(-legacy)?`,
	`ubuntu-minimal`, `usr-is-merged`, `usrmerge`, `util-linux`, `util-linux-extra`, `zlib1g`, `systemd`, `systemd-sysv`, `udev`,
}, "|") + `)$`)

// ofTheMachine are packages that boot a machine or belong to who provides it.
var ofTheMachine = regexp.MustCompile(`^(linux-(image|headers|modules|generic|virtual|base|kbuild).*|grub.*|shim.*|efibootmgr|initramfs-tools.*|dracut.*|intel-microcode|amd64-microcode|firmware-.*|cloud-(init|guest-utils|initramfs.*|utils)|qemu-guest-agent|open-vm-tools|hyperv-daemons|ifupdown|netplan\.io|lvm2|mdadm|cryptsetup.*|droplet-agent|do-agent)$`)

// own are files that are one machine's alone: the new one has its own.
var own = regexp.MustCompile(`^/etc/(` + strings.Join([]string{
	`hostname`, `mailname`, `machine-id`, `fstab`, `crypttab`, `mdadm/.*`, `lvm/.*`, `iscsi/.*`, `multipath.*`, `network/.*`, `netplan/.*`, `sysconfig/network.*`,
	`NetworkManager/.*`, `systemd/network/.*`, `dhcp/.*`, `dhcpcd\.conf`, `resolv\.conf`, `resolvconf/.*`, `udev/rules\.d/7\d-.*`, `default/grub(\.d/.*)?`, `grub\.d/.*`,
	`initramfs-tools/.*`, `cloud/.*`, `kernel/.*`, `modprobe\.d/.*blacklist.*`, `ssh/ssh_host_.*`, `ssh/sshd_config\.d/50-cloud-init\.conf`, `sudoers\.d/90-cloud-init-users`, `hostid`, `adjtime`,
}, "|") + `)$`)

// accounts are the files whose entries are exported one by one.
var accountFiles = regexp.MustCompile(`^/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$`)

// static are accounts that base-passwd gives every Debian host.
var static = words(`root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody _apt
	adm tty disk kmem dialout fax voice cdrom floppy tape sudo audio dip operator src shadow utmp video sasl plugdev staff users nogroup`)

// packaged are accounts that packages make, where neither number nor name tells.
var packaged = words(`messagebus sshd _ssh ssh crontab netdev input kvm render sgx lxd landscape pollinate syslog tss uuidd tcpdump _flatpak
	mysql postgres ssl-cert redis memcache rabbitmq elasticsearch _chrony ntp Debian-exim Debian-snmp postfix postdrop opendkim opendmarc
	dovecot dovenull clamav bind unbound varnish vcache varnishlog prometheus grafana docker polkitd rtkit avahi colord usbmux
	i2c gpio spi plocate mlocate wireshark sambashare puppet salt zabbix nagios munin mongodb ceph libvirt-qemu libvirt
	stunnel4 proftpd ftp vsftpd apache nginx squid etcd consul vault nomad`)

// takenAway are links that packages' scripts make and administrators remove:
// without them in the inventory they must go on the new host too.
var takenAway = map[string]string{
	"nginx-common": "/etc/nginx/sites-enabled/default",
	"apache2":      "/etc/apache2/sites-enabled/000-default.conf",
}

const unitFolder = "/etc/systemd/system/"

func words(text string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(text) {
		set[w] = true
	}
	return set
}
