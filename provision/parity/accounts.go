package parity

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/provision"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/report"
)

// accountsScript prints the source's lines of passwd and group for the users %[1]s, the
// groups %[2]s, and the users that the units %[3]s run as.
const accountsScript = `set -eu
export LC_ALL=C
users=%[1]s
for u in %[3]s; do
  v=$(systemctl show --property=User --value -- "$u" 2>/dev/null || true)
  d=$(systemctl show --property=DynamicUser --value -- "$u" 2>/dev/null || true)
  if [ -n "$v" ] && [ "$d" != yes ]; then users="$users $v"; fi
done
for u in $users; do
  line=$(getent passwd -- "$u") || continue
  echo "user:$line"
  getent group -- "$(printf '%%s' "$line" | cut -d: -f4)" | sed 's/^/group:/' || true
done
for g in %[2]s; do getent group -- "$g" | sed 's/^/group:/' || true; done
`

// makeAccountsScript makes the groups and users on its input that the host lacks, and
// prints their names. They get the source's numbers if those are free. It records an
// account before it makes it. Passwords are not copied: the accounts are locked.
const makeAccountsScript = `set -eu
export LC_ALL=C
b=%s
mkdir -p "$b"
exec 9>/var/lib/migrate/accounts.lock
flock 9
while IFS=: read -r kind name _ id gid gecos home shell; do
  case $kind in
  group)
    if getent group -- "$name" >/dev/null; then continue; fi
    printf 'group %%s\n' "$name" >>"$b/accounts"
    if getent group -- "$id" >/dev/null; then groupadd -- "$name"; else groupadd --gid "$id" -- "$name"; fi
    echo "group $name" ;;
  user)
    if getent passwd -- "$name" >/dev/null; then continue; fi
    printf 'user %%s\n' "$name" >>"$b/accounts"
    set -- --no-create-home --home-dir "$home" --shell "$shell" --comment "$gecos"
    if ! getent passwd -- "$id" >/dev/null; then set -- "$@" --uid "$id"; fi
    useradd "$@" --gid "$gid" --no-user-group -- "$name" 9>&- </dev/null
    echo "user $name" ;;
  esac
done
`

// dropAccountsScript removes the accounts that makeAccountsScript recorded.
const dropAccountsScript = `a=%s/accounts
if [ -f "$a" ]; then
  sort -ru "$a" | while read -r kind name; do
    case $kind in
    user) if getent passwd -- "$name" >/dev/null; then userdel -- "$name" </dev/null; fi ;;
    group) if getent group -- "$name" >/dev/null; then groupdel -- "$name" </dev/null; fi ;;
    esac
  done
fi
`

// ensureAccounts makes the users and groups that the target lacks, of those that own
// the entries or that the units run as. Files keep their owners by name.
func ensureAccounts(ctx context.Context, source, target remote.Host, folder string, want manifest, units []string) error {
	var users, groups []string
	for _, e := range want.Entries {
		users, groups = append(users, e.User), append(groups, e.Group)
	}
	script := fmt.Sprintf(accountsScript, remote.Quote(strings.Join(accountNames(users), " ")), remote.QuoteAll(accountNames(groups)), remote.QuoteAll(units))
	var out bytes.Buffer
	if err := source.Run(ctx, script, nil, &out); err != nil {
		return fmt.Errorf("read accounts of %s: %w", source.Name(), err)
	}
	lines := accountLines(out.String())
	if lines == "" {
		return nil
	}
	var made bytes.Buffer
	if err := target.Run(ctx, fmt.Sprintf(makeAccountsScript, remote.Quote(folder)), strings.NewReader(lines), &made); err != nil {
		return fmt.Errorf("make accounts on %s: %w", target.Name(), err)
	}
	if made.Len() > 0 {
		report.Note(ctx, "made on %s: %s", target.Name(), strings.Join(strings.Split(strings.TrimSpace(made.String()), "\n"), ", "))
	}
	return nil
}

// accountNames returns the distinct names in the list, sorted. It leaves out numbers:
// find prints the number of an owner without a name.
func accountNames(list []string) []string {
	list = slices.DeleteFunc(list, func(s string) bool {
		return !provision.NamePattern.MatchString(s) && !systemName(s) || s[0] >= '0' && s[0] <= '9'
	})
	slices.Sort(list)
	return slices.Compact(list)
}

// systemName accepts the names that Debian's own packages use, such as _apt.
func systemName(s string) bool {
	return len(s) > 1 && s[0] == '_' && provision.NamePattern.MatchString(s[1:])
}

// accountLines puts groups before users, replaces the number of a user's primary group
// by its name, and drops root's lines.
func accountLines(out string) string {
	var groups, users []string
	groupNames := map[string]string{} // by number
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimRight(line, "\n"), ":")
		switch {
		case f[0] == "group" && len(f) == 5 && f[3] != "0":
			groupNames[f[3]] = f[1]
			groups = append(groups, strings.Join(f[:4], ":")+"\n")
		case f[0] == "user" && len(f) == 8 && f[3] != "0":
			users = append(users, strings.Join(f, ":"))
		}
	}
	for i, u := range users {
		f := strings.Split(u, ":")
		if name, ok := groupNames[f[4]]; ok {
			f[4] = name
		}
		users[i] = strings.Join(f, ":") + "\n"
	}
	slices.Sort(groups)
	slices.Sort(users)
	return strings.Join(slices.Concat(slices.Compact(groups), slices.Compact(users)), "")
}
