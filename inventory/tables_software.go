package inventory

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

func (l *tableList) software() {
	h := l.host
	packages := h.Packages
	if l.brief {
		packages = slices.DeleteFunc(slices.Clone(packages), func(p Package) bool { return !p.Manual })
	}
	add(l, "packages", packages, func(p Package) []string {
		version := p.Version
		if p.Held {
			version += " (held)"
		}
		row := []string{p.Name, version, p.Architecture, p.Origin}
		if !l.brief {
			row = append(row, yes(p.Manual))
		}
		return row
	}, append([]string{"PACKAGE", "VERSION", "ARCHITECTURE", "ORIGIN"}, full(!l.brief, "ASKED FOR")...)...)
	add(l, "repositories", h.Repositories, func(r Repository) []string {
		return []string{r.URL, strings.Join(r.Suites, " "), strings.Join(r.Components, " "), strings.Join(r.SignedBy, " "), r.File}
	}, "REPOSITORY", "SUITES", "COMPONENTS", "SIGNED BY", "FILE")
	add(l, "language packages", h.Languages, func(p LanguagePackage) []string {
		return []string{p.Name, p.Version, p.Manager, p.Folder}
	}, "LANGUAGE PACKAGE", "VERSION", "MANAGER", "FOLDER")
	add(l, "releases", h.Releases, func(r Release) []string {
		return []string{string(r.Path), r.Kind, r.Version, r.Remote}
	}, "RELEASE", "KIND", "VERSION", "REMOTE")
	add(l, "containers", h.Containers, func(c Container) []string {
		return []string{c.Name, c.Engine, c.Image, strconv.FormatBool(c.Running), strings.Join(c.Ports, " ")}
	}, "CONTAINER", "ENGINE", "IMAGE", "RUNNING", "PORTS")
	addFull(l, "images", h.Images, func(i Image) []string {
		return []string{i.Name, i.Engine, i.ID, i.Digest}
	}, "IMAGE", "ENGINE", "ID", "DIGEST")
	addFull(l, "compose", h.Compose, func(c Compose) []string {
		return []string{string(c.File), strings.Join(c.Services, " "), strings.Join(c.Images, " ")}
	}, "COMPOSE FILE", "SERVICES", "IMAGES")
}

// full is a column that only the whole table has.
func full(show bool, name string) []string {
	if !show {
		return nil
	}
	return []string{name}
}

func (l *tableList) running() {
	h := l.host
	add(l, "services", h.Services, func(s Service) []string {
		return []string{s.Unit, s.Enabled, s.Active, cmp.Or(s.Package, s.File), strings.Join(s.Overrides, " ")}
	}, "UNIT", "ENABLED", "ACTIVE", "PACKAGE", "OVERRIDES")
	add(l, "timers", h.Timers, func(x Timer) []string {
		return []string{x.Unit, x.Starts, strings.Join(x.Schedule, "; "), x.Enabled, x.Cause.String()}
	}, "TIMER", "STARTS", "SCHEDULE", "ENABLED", "FROM")
	add(l, "cron jobs", h.CronJobs, func(j CronJob) []string {
		return []string{string(j.File), line(j.Line), j.User, j.Schedule, j.Command, j.Cause.String()}
	}, "CRON JOB", "LINE", "USER", "SCHEDULE", "COMMAND", "FROM")
	add(l, "listeners", h.Listeners, func(s Listener) []string {
		return []string{s.Protocol, s.Address, strconv.Itoa(s.Port), s.Process, s.Package, s.Unit, s.Cause.String()}
	}, "PROTOCOL", "ADDRESS", "PORT", "PROCESS", "PACKAGE", "UNIT", "FROM")
	add(l, "programs", h.Programs, func(p Program) []string {
		return []string{string(p.Path), string(p.Script), p.User, p.Unit, p.Cause.String()}
	}, "PROGRAM", "SCRIPT", "USER", "UNIT", "FROM")
	add(l, "connections", h.Connections, func(c Connection) []string {
		return []string{c.Direction, c.Protocol, c.Peer, strconv.Itoa(c.Port), c.Process, line(c.Count)}
	}, "CONNECTION", "PROTOCOL", "PEER", "PORT", "PROCESS", "AT ONCE")
}

// String is "package nginx", or "unexplained".
func (c Cause) String() string {
	if !c.Explained() {
		return "unexplained"
	}
	return strings.TrimSpace(c.Kind + " " + c.Name)
}
