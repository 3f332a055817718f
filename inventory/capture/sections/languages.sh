# Reads the names and files of installed packages; runs no program of theirs.
need find
set --
for p in /usr/local/lib/python3*/dist-packages /usr/local/lib*/python3*/site-packages \
	/usr/lib*/python3*/site-packages /opt/*/lib/python3*/site-packages; do
	[ -d "$p" ] && set -- "$@" "$p"
done
[ $# -eq 0 ] || find "$@" -xdev -maxdepth 1 \( -name '*.dist-info' -o -name '*.egg-info' \) -printf 'pip\0%p\0\0'
for f in /usr/local/lib/node_modules/*/package.json /usr/local/lib/node_modules/@*/*/package.json \
	/usr/lib/node_modules/*/package.json /usr/lib/node_modules/@*/*/package.json; do
	[ -r "$f" ] && printf 'npm\0%s\0%s\0' "$f" "$(grep -m 1 '"version"[[:blank:]]*:' "$f")"
done
set --
for p in /var/lib/gems/*/specifications /usr/local/lib/ruby/gems/*/specifications /usr/local/share/gems/specifications; do
	[ -d "$p" ] && set -- "$@" "$p"
done
[ $# -eq 0 ] || find "$@" -xdev -maxdepth 1 -name '*.gemspec' -printf 'gem\0%p\0\0'
for p in /root/.composer /root/.config/composer /usr/local/share/composer /opt/composer; do
	f=$p/vendor/composer/installed.json
	[ -r "$f" ] && printf 'composer\0%s\0' "$f" && cat "$f" && printf '\0'
done
exit 0
