package export

import (
	"cmp"
	"path"
	"strconv"
	"strings"
)

// layering decides what is written once for all hosts, once for a role, and for
// a host alone. A thing is never written above what it needs: a file not before
// the user that owns it, a service not before its package and files.
type layering struct {
	roles [][]*recipe // of hosts, by role
	// level of what others need, by its name, of each host
	have map[*recipe]map[string]level
	// families is the deepest level of packages that share the first word of
	// their names, and of all packages under "".
	families map[*recipe]map[string]level
}

// layered takes the recipes of hosts apart.
func layered(roles [][]*recipe) (common recipe, byRole []recipe, byHost [][]recipe) {
	l := &layering{roles: roles, have: map[*recipe]map[string]level{}, families: map[*recipe]map[string]level{}}
	byRole, byHost = make([]recipe, len(roles)), make([][]recipe, len(roles))
	for i, hosts := range roles {
		byHost[i] = make([]recipe, len(hosts))
		for _, h := range hosts {
			l.have[h], l.families[h] = map[string]level{}, map[string]level{}
		}
	}
	at := func(where level, i, j int) *recipe {
		switch where {
		case inCommon:
			return &common
		case inRole:
			return &byRole[i]
		}
		return &byHost[i][j]
	}
	// in the order in which they need each other
	place(l, at, func(r *recipe) *[]pkg { return &r.Packages })
	place(l, at, func(r *recipe) *[]group { return &r.Groups })
	place(l, at, func(r *recipe) *[]user { return &r.Users })
	place(l, at, func(r *recipe) *[]member { return &r.Members })
	place(l, at, func(r *recipe) *[]zone { return &r.Zone })
	place(l, at, func(r *recipe) *[]folder { return &r.Folders })
	place(l, at, func(r *recipe) *[]file { return &r.Files })
	place(l, at, func(r *recipe) *[]key { return &r.Keys })
	place(l, at, func(r *recipe) *[]absent { return &r.Absent })
	place(l, at, func(r *recipe) *[]hostsLine { return &r.Lines })
	place(l, at, func(r *recipe) *[]unit { return &r.Units })
	return common, byRole, byHost
}

// place puts the things of one kind into the layers; get is their list in a
// recipe, at the recipe of a layer.
func place[T comparable](l *layering, at func(where level, i, j int) *recipe, get func(*recipe) *[]T) {
	everywhere, inRoles, hosts := map[T]int{}, make([]map[T]int, len(l.roles)), 0
	for i, role := range l.roles {
		inRoles[i] = map[T]int{}
		for _, h := range role {
			hosts++
			for _, x := range *get(h) {
				everywhere[x]++
				inRoles[i][x]++
			}
		}
	}
	if len(l.roles) < 2 { // one role is all there is
		hosts = -1
	}
	// fits is the same for all who have a thing, so it is found out once.
	fits := func(known map[T]bool, x T, where level, among [][]*recipe) bool {
		if _, ok := known[x]; !ok {
			known[x] = all(among, func(h *recipe) bool { return l.needs(h, x) <= where })
		}
		return known[x]
	}
	inAll, written := map[T]bool{}, map[T]bool{}
	for i, role := range l.roles {
		inThis, writtenHere := map[T]bool{}, map[T]bool{}
		for j, h := range role {
			for _, x := range *get(h) {
				where, seen := inHost, map[T]bool{}
				switch {
				case everywhere[x] == hosts && fits(inAll, x, inCommon, l.roles):
					where, seen = inCommon, written
				case inRoles[i][x] == len(role) && fits(inThis, x, inRole, l.roles[i:i+1]):
					where, seen = inRole, writtenHere
				}
				l.note(h, x, where)
				if !seen[x] {
					seen[x] = true
					list := get(at(where, i, j))
					*list = append(*list, x)
				}
			}
		}
	}
}

func all(roles [][]*recipe, ok func(*recipe) bool) bool {
	for _, role := range roles {
		for _, h := range role {
			if !ok(h) {
				return false
			}
		}
	}
	return true
}

// note keeps the level of what others need.
func (l *layering) note(h *recipe, x any, where level) {
	have := l.have[h]
	switch x := x.(type) {
	case pkg:
		have["package "+x.Name] = where
		for _, of := range []string{"", family(x.Name)} {
			l.families[h][of] = max(l.families[h][of], where)
		}
	case group:
		have["group "+x.Name] = where
	case user:
		have["user "+x.Name] = where
	case folder:
		have["folder "+x.Path] = where
	case file:
		have["file "+x.Path] = where
	}
}

// needs is the level of the deepest thing that x needs on a host.
func (l *layering) needs(h *recipe, x any) level {
	have := l.have[h]
	account := func(kind, name string) level {
		if where, ok := have[kind+name]; ok {
			return where
		}
		if _, err := strconv.Atoi(name); err == nil || static[name] || name == "" {
			return inCommon
		}
		return l.brings(h, cmp.Or(makers[name], strings.Trim(name, "_")))
	}
	switch x := x.(type) {
	case user:
		return account("group ", x.Group)
	case member:
		return max(account("user ", x.User), account("group ", x.Group))
	case file:
		if x.Use == useApt {
			return inCommon
		}
		return max(account("user ", x.Owner), account("group ", x.Group), have["folder "+path.Dir(x.Path)])
	case key:
		return max(account("user ", x.Owner), account("group ", x.Group), have["folder "+path.Dir(x.Path)])
	case folder:
		return max(account("user ", x.Owner), account("group ", x.Group), have["folder "+path.Dir(x.Path)])
	case unit:
		need := have["file "+unitFolder+x.Name]
		if x.Package != "" && x.State != unitMasked {
			where, ok := have["package "+x.Package]
			if !ok {
				where = l.brings(h, x.Package)
			}
			need = max(need, where)
		}
		for _, f := range h.Files {
			if restarts(f, x.Name) {
				need = max(need, have["file "+f.Path])
			}
		}
		return need
	}
	return inCommon
}

// brings is the level of the package that brings another, or an account of that
// name, as a dependency: that of its family, else one that a role's own packages
// are at. Which package it is, an inventory does not say.
func (l *layering) brings(h *recipe, name string) level {
	if where, ok := l.families[h][family(name)]; ok {
		return where
	}
	return min(l.families[h][""], inRole)
}

// family is the first word of a package's name: nginx of nginx-common.
func family(name string) string {
	first, _, _ := strings.Cut(name, "-")
	return first
}

// makers are families of packages whose accounts have another name.
var makers = map[string]string{"mysql": "mariadb", "postgres": "postgresql", "memcache": "memcached", "bind": "bind9", "Debian-exim": "exim4", "crontab": "cron", "sshd": "openssh", "_ssh": "openssh", "messagebus": "dbus", "docker": "docker.io"}
