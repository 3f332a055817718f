package export

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// fillScript replaces tokens in files by the values of the secrets, byte for byte.
const fillScript = `import sys
values = {}
for line in open("` + secretsFile + `", "rb").read().split(b"\n"):
    if line.startswith(b"migrate-secret-"):
        key, value = line.split(b"=", 1)
        if not value:
            sys.exit("no value is filled in for " + key.decode())
        values[key] = value
for name in sys.argv[1:]:
    with open(name, "r+b") as f:
        text = f.read()
        for key, value in values.items():
            text = text.replace(key, value)
        f.seek(0)
        f.write(text)
        f.truncate()
`

// commands returns the commands that run once, after packages are installed and files
// are written. The first failure stops them.
func (c cloudConfig) commands(secrets bool) list {
	l := list{"set -e"}
	run := func(words ...string) { l = append(l, words) }
	if secrets {
		words := []string{"python3", "-c", fillScript}
		for _, f := range filterFiles(c.Files, isSecretFile) {
			words = append(words, f.Path)
		}
		run(words...)
	}
	keys := slices.ContainsFunc(c.keyFiles(), keyFile.secret)
	if secrets && !keys {
		run("rm", "-f", secretsFile)
	}
	c.addHolds(run)
	c.addAccounts(run)
	c.addPlaces(run)
	c.addKeys(run)
	if keys {
		run("rm", "-f", secretsFile)
	}
	c.addUnits(run)
	return l
}

func (c cloudConfig) addHolds(run func(...string)) {
	words := []string{"apt-mark", "hold"}
	for _, p := range c.Packages {
		if p.Held {
			words = append(words, p.Name)
		}
	}
	if len(words) > 2 {
		run(words...)
	}
}

// makeAccountScript creates a group or user unless one with its name and number exists.
// It fails if the number differs, as files would belong to another account.
const makeAccountScript = `kind=$1 name=$2 id=$3; shift 3
has=$(getent "$kind" "$name" | cut -d: -f3)
if [ -z "$has" ]; then exec "$@" "$name"; fi
if [ "$has" != "$id" ]; then echo "$kind $name has the number $has here, not $id" >&2; exit 1; fi
`

func (c cloudConfig) addAccounts(run func(...string)) {
	for _, g := range c.Groups {
		run("sh", "-c", makeAccountScript, "sh", "group", g.Name, strconv.Itoa(g.GID), "groupadd", "--gid", strconv.Itoa(g.GID))
	}
	for _, u := range c.Users {
		words := []string{
			"sh", "-c", makeAccountScript, "sh", "passwd", u.Name, strconv.Itoa(u.UID), "useradd",
			"--uid", strconv.Itoa(u.UID), "--gid", u.Group, "--no-user-group", "--home-dir", u.Home, "--shell", u.Shell, "--comment", u.Gecos,
		}
		if u.System {
			words = append(words, "--system")
		}
		if u.MakeHome {
			words = append(words, "--create-home")
		} else {
			words = append(words, "--no-create-home")
		}
		run(words...)
	}
	var users []string
	for _, m := range c.Members {
		users = append(users, m.User)
	}
	slices.Sort(users)
	for _, u := range slices.Compact(users) {
		run("usermod", "--append", "--groups", strings.Join(c.groupsOf(u), ","), u)
	}
	for _, z := range c.Zone {
		run("ln", "-sfn", "/usr/share/zoneinfo/"+z.Name, "/etc/localtime")
		run("sh", "-c", `echo "$1" >/etc/timezone`, "zone", z.Name)
		run("sh", "-c", "systemctl try-restart cron.service || :") // cron would run the jobs between the old and the new time
	}
}

// addKeysScript adds the lines that a file of keys lacks. Its other lines stay, among
// them the key of the operator who created the host.
const addKeysScript = `file=$1 owner=$2 mode=$3; shift 3
for at in "$file" "${file%/*}"; do [ ! -L "$at" ] || { echo "$at is a link" >&2; exit 1; }; done
[ -e "$file" ] || install --mode="$mode" /dev/null "$file"
[ -z "$(tail -c 1 -- "$file")" ] || echo >>"$file"
for line; do grep -qxF -e "$line" -- "$file" || printf '%s\n' "$line" >>"$file"; done
chown -- "$owner" "$file"
`

// addKeys adds authorized keys. Accounts and their folders exist by then.
func (c cloudConfig) addKeys(run func(...string)) {
	for _, f := range c.keyFiles() {
		run(append([]string{"sh", "-c", addKeysScript, "sh", f.Path, f.Owner + ":" + f.Group, f.Mode}, f.Lines...)...)
		if f.secret() {
			run("python3", "-c", fillScript, f.Path)
		}
	}
}

// addPlaces gives folders and files their owners, and makes links.
func (c cloudConfig) addPlaces(run func(...string)) {
	for _, f := range c.Folders {
		run("install", "--directory", "--mode="+f.Mode, "--owner="+f.Owner, "--group="+f.Group, "--", f.Path)
	}
	for _, f := range c.Files {
		if f.Link != "" {
			if dir := path.Dir(f.Path); !standardFolder.MatchString(dir) {
				run("mkdir", "-p", "--", dir)
			}
			run("ln", "-sfn", "--", f.Link, f.Path)
			continue
		}
		if f.Owner != "root" || f.Group != "root" {
			run("chown", "--", f.Owner+":"+f.Group, f.Path)
			if len(f.Mode) == 4 && f.Mode[0] != '0' { // chown clears set-user-ID
				run("chmod", "--", f.Mode, f.Path)
			}
		}
	}
	for _, a := range c.Absent {
		run("rm", "-f", "--", a.Path)
	}
	for _, h := range c.Lines {
		run("sh", "-c", `grep -qxF -- "$1" /etc/hosts || echo "$1" >>/etc/hosts`, "hosts", fmt.Sprintf("%s %s", h.Address, h.Names))
	}
}

// addUnits brings units into their state.
func (c cloudConfig) addUnits(run func(...string)) {
	var mask, disable, enable, start []string
	for _, u := range c.Units {
		switch {
		case u.State == unitMasked:
			mask = append(mask, u.Name)
		case u.State == unitDisabled && !u.Running:
			disable = append(disable, u.Name)
		case u.State == unitEnabled:
			enable = append(enable, u.Name)
		}
		if u.Running {
			start = append(start, u.Name)
		}
	}
	run("systemctl", "daemon-reload")
	all := func(units []string, verb ...string) {
		if len(units) > 0 {
			run(append(append([]string{"systemctl"}, verb...), units...)...)
		}
	}
	all(mask, "mask", "--")
	if len(mask) > 0 { // a unit that is not installed can be masked, but not stopped
		run(append([]string{"sh", "-c", `systemctl stop -- "$@" || true`, "stop"}, mask...)...)
	}
	all(disable, "disable", "--now", "--")
	all(enable, "enable", "--")
	all(c.allRestarts(), "restart", "--")
	all(slices.DeleteFunc(start, func(u string) bool { return slices.Contains(c.allRestarts(), u) }), "start", "--")
}
