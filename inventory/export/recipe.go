package export

// The things that a host is made of. Equal things of many hosts are written once, so
// all of these types are comparable.
type (
	pkg struct {
		Name    string
		Version string // only if Held
		Held    bool
	}
	group struct {
		Name   string
		GID    int
		System bool
	}
	user struct {
		Name, Group, Home, Shell, Gecos string
		UID                             int
		System                          bool
		MakeHome                        bool // a person, or an account that logs in
	}
	member struct{ User, Group string }
	file   struct {
		Path               string
		Mode, Owner, Group string
		Link               string // target of a link, which has no Text
		Text               string // with tokens in place of secrets
		Restarts           string // units, with spaces between them
		Use                use
	}
	folder    struct{ Path, Mode, Owner, Group string }
	absent    struct{ Path, Restarts string }
	hostsLine struct{ Address, Names string } // of /etc/hosts
	zone      struct{ Name string }
	unit      struct {
		Name    string
		State   unitState
		Running bool
		Package string // the package that installs it
	}
)

// use says when a file is needed.
type use int

const (
	useAny  use = iota
	useApt      // before packages are installed
	useUnit     // before systemd starts anything
)

type unitState string

const (
	unitEnabled  unitState = "enabled"
	unitDisabled unitState = "disabled"
	unitMasked   unitState = "masked"
)

// recipe lists those things, each kind sorted.
type recipe struct {
	Packages []pkg
	Groups   []group
	Users    []user
	Members  []member
	Zone     []zone   // one at most
	Folders  []folder // with an owner or mode of their own
	Files    []file
	Keys     []key
	Absent   []absent
	Lines    []hostsLine
	Units    []unit
}

func (r *recipe) isEmpty() bool {
	return len(r.Packages)+len(r.Groups)+len(r.Users)+len(r.Members)+len(r.Zone)+len(r.Folders)+len(r.Files)+len(r.Keys)+len(r.Absent)+len(r.Lines)+len(r.Units) == 0
}

// site is what is exported, in layers: a host is made of Common, its role's recipe and
// its own.
type site struct {
	Common  recipe
	Roles   []role
	Secrets []Needed
	names   map[string]string // names of variables for secrets, by token
	connect map[string]string
}

type role struct {
	Name  string // an identifier
	Title string // the role's name for people
	recipe
	Hosts []host
}

type host struct {
	Name string
	recipe
}

// level is the depth of a layer.
type level int

const (
	inCommon level = iota
	inRole
	inHost
)
