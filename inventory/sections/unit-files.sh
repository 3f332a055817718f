need systemctl
[ -d /run/systemd/system ] || set -- --root=/
systemctl "$@" list-unit-files --type=service,socket,timer --no-legend --no-pager --plain
