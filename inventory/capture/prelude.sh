# need PROGRAM ends the section if the program is not installed.
need() { command -v "$1" >/dev/null 2>&1 || { echo "$1 is not installed" >&2; exit 90; }; }
# over_network PATH succeeds if the path is on a network file system, which may hang.
over_network() {
	best= fs=
	while read -r _ mount kind _; do
		case $mount in *\\*) mount=$(printf '%b' "$mount") ;; esac
		case $1/ in
		"${mount%/}"/*) [ ${#mount} -lt ${#best} ] || best=$mount fs=$kind ;;
		esac
	done </proc/self/mounts
	[ "$best" != / ] || return 1
	case $fs in
	nfs | nfs4 | cifs | smb3 | ceph | glusterfs | fuse.sshfs | fuse.glusterfs | fuse.s3fs | 9p | lustre | afs | autofs) return 0 ;;
	esac
	return 1
}
# mysql_client finds the client program and checks the server's socket.
mysql_client() {
	client=mariadb
	command -v mariadb >/dev/null 2>&1 || client=mysql
	need "$client"
	[ -S "$mysql_socket" ] || { echo "no socket $mysql_socket" >&2; exit 90; }
}
# ask STATEMENTS [OPTION] runs SQL statements and prints their rows.
ask() {
	"$client" --batch --skip-column-names --no-auto-rehash --default-character-set=utf8mb4 \
		--connect-timeout=5 --protocol=socket --socket="$mysql_socket" --user="$mysql_user" "${2:---batch}" --execute="$1"
}
