# Makes a bare Debian host one of the old site, by hand and over the years.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
apt-get update -q >/dev/null
apt-get install -qy nginx-light redis-server haproxy >/dev/null
apt-mark hold redis-server >/dev/null

groupadd --gid 1600 blog
useradd --uid 1500 --create-home --shell /bin/bash --comment 'Deploys, mostly' --groups blog,www-data deploy
useradd --system --uid 650 --gid blog --home-dir /srv/blog --no-create-home --shell /usr/sbin/nologin blogd
usermod --append --groups blog www-data

useradd --system --uid 651 --gid blog --home-dir /srv/loader --create-home --shell /bin/sh loader
useradd --uid 1501 --create-home --shell /bin/bash auditor

# who may log in by key: in a home, in that of an account of the system, and elsewhere
install --directory --mode=0700 /root/.ssh
install --directory --mode=0700 --owner=deploy --group=deploy /home/deploy/.ssh
install --directory --mode=0700 --owner=loader --group=blog /srv/loader/.ssh
printf '# from the office only\nfrom="192.0.2.20" %s admin\n' '@KEY@' >/root/.ssh/authorized_keys
printf 'environment="DEPLOY_TOKEN=%s",no-agent-forwarding %s {{ deploy }}\n' '@TOKEN@' '@KEY@' >/home/deploy/.ssh/authorized_keys
printf 'restrict,command="echo \\"only this\\"" %s\n' '@KEY@' >/srv/loader/.ssh/authorized_keys
chown deploy:deploy /home/deploy/.ssh/authorized_keys
chown loader:blog /srv/loader/.ssh/authorized_keys
chmod 600 /root/.ssh/authorized_keys /home/deploy/.ssh/authorized_keys /srv/loader/.ssh/authorized_keys
mkdir /etc/ssh/keys
echo '@KEY@' >/etc/ssh/keys/auditor
echo 'AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/keys/%u' >/etc/ssh/sshd_config.d/10-keys.conf
systemctl reload ssh.service

# packaged files and files of packages' scripts changed, a default taken away
echo 'no trespassing' >/etc/motd
echo 'history -c' >>/etc/skel/.bash_logout
echo /usr/bin/git-shell >>/etc/shells
sed -i 's/worker_connections 768/worker_connections 4096/' /etc/nginx/nginx.conf
sed -i 's/^# requirepass .*/requirepass @REDIS@/' /etc/redis/redis.conf
rm /etc/nginx/sites-enabled/default
systemctl disable --now haproxy.service 2>/dev/null

# files of no package
cat >/etc/nginx/sites-available/blog <<'END'
# what {{ mustaches }} and {% blocks %} and {# comments #} mean to others
log_format blog '{"host":"$host","up":"$upstream_addr"}';
upstream app { server 192.0.2.20:8080; server 192.0.2.200:8080; }
server { listen 8081; server_name blog.test; location / { proxy_pass http://app; } }
END
ln -s ../sites-available/blog /etc/nginx/sites-enabled/blog
mkdir -p /etc/blog/conf.d
chgrp blog /etc/blog
chmod 2750 /etc/blog
printf 'DB_HOST=db1\r\nDB_PASSWORD=%s\r\nGREETING={{ "hello" }} {%% raw %%}\r\n\n' '@DB@' >/etc/blog/app.env
chown root:blog /etc/blog/app.env
chmod 640 /etc/blog/app.env
printf 'no newline at the end, {%% endraw %%} and {{ this }}' >'/etc/blog/conf.d/a b: {{ "c" }}
d %}.conf'
printf '#!/bin/sh\nexec sleep infinity\n' >/usr/local/bin/blogd
chmod 755 /usr/local/bin/blogd
echo '192.0.2.20 db1 # the database' >>/etc/hosts

# what starts by itself
printf '[Unit]\nDescription=blog\n[Service]\nUser=blogd\nEnvironmentFile=/etc/blog/app.env\nExecStart=/usr/local/bin/blogd\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/blogd.service
printf '[Timer]\nOnCalendar=*-*-* 03:00:00\n[Install]\nWantedBy=timers.target\n' >/etc/systemd/system/tidy.timer
printf '[Service]\nType=oneshot\nExecStart=/bin/true\n' >/etc/systemd/system/tidy.service
mkdir -p /etc/systemd/system/nginx.service.d
printf '[Service]\nLimitNOFILE=65536\n' >/etc/systemd/system/nginx.service.d/limits.conf
systemctl daemon-reload
systemctl enable --now blogd.service tidy.timer nftables.service 2>/dev/null
systemctl mask logrotate.timer 2>/dev/null
printf 'MAILTO=root\n7 3 * * * deploy /usr/local/bin/blogd --once\n' >/etc/cron.d/blog
echo '5 4 * * 1 echo "100\% {{ done }}"' | crontab -u deploy -

# who may do what, and how the kernel is set
printf 'deploy ALL=(root) NOPASSWD: /usr/bin/systemctl restart blogd\n' >/etc/sudoers.d/deploy
chmod 440 /etc/sudoers.d/deploy
printf 'net.ipv4.tcp_keepalive_time = 600\n' >/etc/sysctl.d/60-blog.conf
printf 'deploy hard nofile 65536\n' >/etc/security/limits.d/blog.conf
printf 'tcp_bbr\n' >/etc/modules-load.d/blog.conf
mkdir -p /etc/apt/keyrings
cp "$(ls /usr/share/keyrings/debian-archive-*-stable.gpg | head -n 1)" /etc/apt/keyrings/vendor.gpg
printf 'Package: *\nPin: release a=bookworm-backports\nPin-Priority: 100\n' >/etc/apt/preferences.d/backports
ln -sf /usr/share/zoneinfo/Europe/Berlin /etc/localtime
echo Europe/Berlin >/etc/timezone
systemctl try-restart cron.service || :
printf '#!/usr/sbin/nft -f\nflush ruleset\ntable inet filter {\n\tchain input {\n\t\ttype filter hook input priority 0; policy accept;\n\t\ttcp dport 6380 ip saddr != 192.0.2.20 drop\n\t}\n}\n' >/etc/nftables.conf
systemctl restart nftables.service systemd-sysctl.service nginx.service redis-server.service
