package inventory

import (
	"regexp"
	"slices"
	"strings"
)

// basePackages are the packages of every Debian or Ubuntu. debootstrap marks them
// as manually installed although no administrator chose them.
var basePackages = regexp.MustCompile(`^(` + strings.Join([]string{
	`adduser`, `apt`, `apt-utils`, `base-files`, `base-passwd`, `bash`, `bsdutils`, `bsdextrautils`, `coreutils`, `dash`, `dbus(-.*)?`, `debconf(-i18n)?`, `debian-archive-keyring`,
	`ubuntu-keyring`, `debianutils`, `diffutils`, `dpkg`, `e2fsprogs`, `fdisk`, `findutils`, `gcc-\d+-base`, `gpgv`, `grep`, `gzip`, `hostname`, `init`, `init-system-helpers`,
	`lib(acl1|apparmor1|apt-pkg[\d.]+|attr1|audit-common|audit1|blkid1|bpf\d|bz2-1\.0|c-bin|c6|cap-ng0|cap2|cap2-bin|com-err2|crypt1|crypto\+\+\d?|db5\.3|debconfclient0|ext2fs2|fdisk1|ffi\d|gcc-s1|gcrypt20|gmp10|gnutls30|gpg-error0|hogweed\d|idn2-0|kmod2|lz4-1|lzma5|md0|mount1|ncursesw?\d|nettle\d|npth0|p11-kit0|pam0g|pam-modules|pam-modules-bin|pam-runtime|pcre2-8-0|pcre3|proc2-0|procps\d|seccomp2|selinux1|semanage-common|semanage[12]|sepol[12]|smartcols1|ss2|ssl[13](\.1)?|stdc\+\+6|systemd0|systemd-shared|tasn1-6|tinfo6|tirpc.*|udev1|unistring\d|uuid1|xxhash0|zstd1)(t64)?`,
	`login(\.defs)?`, `logsave`, `lsb-base`, `mawk`, `mount`, `ncurses-base`, `ncurses-bin`, `openssl-provider-legacy`, `passwd`, `perl-base`, `rust-coreutils`, `sed`, `sensible-utils`, `sqv`, `sysvinit-utils`, `tar`, `tzdata(-legacy)?`,
	`ubuntu-minimal`, `usr-is-merged`, `usrmerge`, `util-linux`, `util-linux-extra`, `zlib1g`, `systemd`, `systemd-sysv`, `udev`,
}, "|") + `)$`)

// platformPackages are the packages that boot a host, or that its provider installs.
var platformPackages = regexp.MustCompile(`^(linux-(image|headers|modules|generic|virtual|base|kbuild).*|grub.*|shim.*|efibootmgr|initramfs-tools.*|dracut.*|intel-microcode|amd64-microcode|firmware-.*|cloud-(init|guest-utils|initramfs.*|utils)|qemu-guest-agent|open-vm-tools|hyperv-daemons|ifupdown|netplan\.io|lvm2|mdadm|cryptsetup.*|droplet-agent|do-agent)$`)

// IsBasePackage reports whether every Debian or Ubuntu has the package. Such a
// package may be marked as manually installed although no administrator chose it.
func IsBasePackage(name string) bool { return basePackages.MatchString(name) }

// IsPlatformPackage reports whether the package boots the host or comes from its
// provider. A new host has its own.
func IsPlatformPackage(name string) bool { return platformPackages.MatchString(name) }

// IsDebianBased reports whether the host runs Debian, Ubuntu or a derivative.
func (h *Host) IsDebianBased() bool {
	like := strings.Fields(h.OS.Like)
	return h.OS.ID == "debian" || h.OS.ID == "ubuntu" || slices.Contains(like, "debian") || slices.Contains(like, "ubuntu")
}
