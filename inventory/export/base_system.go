package export

import (
	"regexp"
	"strings"
)

// machineFile matches files that belong to one host: the new one has its own.
var machineFile = regexp.MustCompile(`^/etc/(` + strings.Join([]string{
	`hostname`, `mailname`, `machine-id`, `fstab`, `crypttab`, `mdadm/.*`, `lvm/.*`, `iscsi/.*`, `multipath.*`, `network/.*`, `netplan/.*`, `sysconfig/network.*`,
	`NetworkManager/.*`, `systemd/network/.*`, `dhcp/.*`, `dhcpcd\.conf`, `resolv\.conf`, `resolvconf/.*`, `udev/rules\.d/7\d-.*`, `default/grub(\.d/.*)?`, `grub\.d/.*`,
	`initramfs-tools/.*`, `cloud/.*`, `kernel/.*`, `modprobe\.d/.*blacklist.*`, `ssh/ssh_host_.*`, `ssh/sshd_config\.d/50-cloud-init\.conf`, `sudoers\.d/90-cloud-init-users`, `hostid`, `adjtime`,
}, "|") + `)$`)

// accountFiles matches the files whose entries are exported one by one.
var accountFiles = regexp.MustCompile(`^/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$`)

// baseAccounts are accounts that base-passwd creates on every Debian host.
var baseAccounts = wordSet(`root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody _apt
	adm tty disk kmem dialout fax voice cdrom floppy tape sudo audio dip operator src shadow utmp video sasl plugdev staff users nogroup`)

// packageAccounts are accounts that packages create, and whose number or name does not
// show that.
var packageAccounts = wordSet(`messagebus sshd _ssh ssh crontab netdev input kvm render sgx lxd landscape pollinate syslog tss uuidd tcpdump _flatpak
	mysql postgres ssl-cert redis memcache rabbitmq elasticsearch _chrony ntp Debian-exim Debian-snmp postfix postdrop opendkim opendmarc
	dovecot dovenull clamav bind unbound varnish vcache varnishlog prometheus grafana docker polkitd rtkit avahi colord usbmux
	i2c gpio spi plocate mlocate wireshark sambashare puppet salt zabbix nagios munin mongodb ceph libvirt-qemu libvirt
	stunnel4 proftpd ftp vsftpd apache nginx squid etcd consul vault nomad`)

// removableLinks are links that scripts of packages make and administrators remove, by
// package. If the inventory lacks one, the new host must not have it either.
var removableLinks = map[string]string{
	"nginx-common": "/etc/nginx/sites-enabled/default",
	"apache2":      "/etc/apache2/sites-enabled/000-default.conf",
}

const unitFolder = "/etc/systemd/system/"

func wordSet(text string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(text) {
		set[w] = true
	}
	return set
}
