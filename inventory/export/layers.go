package export

import (
	"cmp"
	"path"
	"strconv"
	"strings"
)

// layering decides what is written once for all hosts, once for a role, and for a host
// alone. A thing is never in a layer above what it needs: a file not above the user that
// owns it, a service not above its package and files.
type layering struct {
	roles [][]*recipe // the recipes of hosts, by role
	// levels are the levels of things that others need, by host and name.
	levels map[*recipe]map[string]level
	// families are the deepest levels of packages that share the first word of their
	// names, and under "" that of all packages.
	families map[*recipe]map[string]level
}

// layered splits the recipes of hosts into layers.
func layered(roles [][]*recipe) (common recipe, byRole []recipe, byHost [][]recipe) {
	l := &layering{roles: roles, levels: map[*recipe]map[string]level{}, families: map[*recipe]map[string]level{}}
	byRole, byHost = make([]recipe, len(roles)), make([][]recipe, len(roles))
	for i, hosts := range roles {
		byHost[i] = make([]recipe, len(hosts))
		for _, h := range hosts {
			l.levels[h], l.families[h] = map[string]level{}, map[string]level{}
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
	// a kind comes after the kinds that it needs
	placeInLayers(l, at, func(r *recipe) *[]pkg { return &r.Packages })
	placeInLayers(l, at, func(r *recipe) *[]group { return &r.Groups })
	placeInLayers(l, at, func(r *recipe) *[]user { return &r.Users })
	placeInLayers(l, at, func(r *recipe) *[]member { return &r.Members })
	placeInLayers(l, at, func(r *recipe) *[]zone { return &r.Zone })
	placeInLayers(l, at, func(r *recipe) *[]folder { return &r.Folders })
	placeInLayers(l, at, func(r *recipe) *[]file { return &r.Files })
	placeInLayers(l, at, func(r *recipe) *[]key { return &r.Keys })
	placeInLayers(l, at, func(r *recipe) *[]absent { return &r.Absent })
	placeInLayers(l, at, func(r *recipe) *[]hostsLine { return &r.Lines })
	placeInLayers(l, at, func(r *recipe) *[]unit { return &r.Units })
	return common, byRole, byHost
}

// placeInLayers puts the things of one kind into layers. get returns their list in a
// recipe, at the recipe of a layer.
func placeInLayers[T comparable](l *layering, at func(where level, i, j int) *recipe, get func(*recipe) *[]T) {
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
	if len(l.roles) < 2 { // with one role only, nothing is common
		hosts = -1
	}
	// fits has one answer for all hosts with a thing, so it is computed once.
	fits := func(known map[T]bool, x T, where level, among [][]*recipe) bool {
		if _, ok := known[x]; !ok {
			known[x] = forEvery(among, func(h *recipe) bool { return l.deepestNeed(h, x) <= where })
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
				l.record(h, x, where)
				if !seen[x] {
					seen[x] = true
					list := get(at(where, i, j))
					*list = append(*list, x)
				}
			}
		}
	}
}

func forEvery(roles [][]*recipe, ok func(*recipe) bool) bool {
	for _, role := range roles {
		for _, h := range role {
			if !ok(h) {
				return false
			}
		}
	}
	return true
}

// record records the level of a thing that others need.
func (l *layering) record(h *recipe, x any, where level) {
	have := l.levels[h]
	switch x := x.(type) {
	case pkg:
		have["package "+x.Name] = where
		for _, of := range []string{"", familyOf(x.Name)} {
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

// deepestNeed returns the level of the deepest thing that x needs on a host.
func (l *layering) deepestNeed(h *recipe, x any) level {
	have := l.levels[h]
	account := func(kind, name string) level {
		if where, ok := have[kind+name]; ok {
			return where
		}
		if _, err := strconv.Atoi(name); err == nil || baseAccounts[name] || name == "" {
			return inCommon
		}
		return l.levelOfDependency(h, cmp.Or(packageFamilies[name], strings.Trim(name, "_")))
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
				where = l.levelOfDependency(h, x.Package)
			}
			need = max(need, where)
		}
		for _, f := range h.Files {
			if restartsUnit(f, x.Name) {
				need = max(need, have["file "+f.Path])
			}
		}
		return need
	}
	return inCommon
}

// levelOfDependency returns the level of the package that installs another one, or an
// account of that name, as a dependency. The inventory does not say which package that
// is: it is the level of the name's family, else at most that of a role.
func (l *layering) levelOfDependency(h *recipe, name string) level {
	if where, ok := l.families[h][familyOf(name)]; ok {
		return where
	}
	return min(l.families[h][""], inRole)
}

// familyOf returns the first word of a package's name: nginx of nginx-common.
func familyOf(name string) string {
	first, _, _ := strings.Cut(name, "-")
	return first
}

// packageFamilies are the families of packages whose accounts have another name, by
// account.
var packageFamilies = map[string]string{"mysql": "mariadb", "postgres": "postgresql", "memcache": "memcached", "bind": "bind9", "Debian-exim": "exim4", "crontab": "cron", "sshd": "openssh", "_ssh": "openssh", "messagebus": "dbus", "docker": "docker.io"}
