# Prints lines of KEY VALUE, which system.go reads.
echo "kernel $(uname -r)"
echo "architecture $(uname -m)"
echo "user $(id -un 2>/dev/null || id -u)"
if [ -d /run/systemd/system ]; then
	echo "init systemd"
elif read -r init </proc/1/comm; then
	echo "init $init"
fi
if command -v systemd-detect-virt >/dev/null 2>&1; then
	echo "virtualization $(systemd-detect-virt)"
fi
for key in vendor product; do
	file=/sys/class/dmi/id/product_name
	[ "$key" = vendor ] && file=/sys/class/dmi/id/sys_vendor
	[ -r "$file" ] && read -r value <"$file" && echo "$key $value"
done
for file in /etc/default/locale /etc/locale.conf; do
	[ -r "$file" ] && while IFS= read -r line; do
		case $line in LANG=*) echo "locale ${line#LANG=}" ;; esac
	done <"$file"
done
[ -e /sys/fs/selinux/enforce ] && read -r mode </sys/fs/selinux/enforce && echo "security selinux $mode"
[ -r /sys/module/apparmor/parameters/enabled ] && read -r mode </sys/module/apparmor/parameters/enabled &&
	[ "$mode" = Y ] && echo "security apparmor"
count=$(getconf _NPROCESSORS_ONLN) && echo "cpus $count"
while IFS=: read -r key value; do
	case $key in "model name"* | "Model name"*) echo "cpu $value" && break ;; esac
done </proc/cpuinfo
while IFS=': ' read -r key value _; do
	case $key in MemTotal | SwapTotal) echo "$key $value" ;; esac
done </proc/meminfo
exit 0
