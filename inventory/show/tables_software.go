package show

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

func (l *tableList) software() {
	h := l.host
	packages := h.Packages
	if l.brief {
		packages = slices.DeleteFunc(slices.Clone(packages), func(p inventory.Package) bool { return !p.Manual })
	}
	add(l, "packages", packages, func(p inventory.Package) []string {
		version := p.Version
		if p.Held {
			version += " (held)"
		}
		return l.more([]string{p.Name, version, p.Architecture, p.Origin}, yes(p.Manual))
	}, l.more([]string{"PACKAGE", "VERSION", "ARCHITECTURE", "ORIGIN"}, "ASKED FOR")...)
	add(l, "repositories", h.Repositories, func(r inventory.Repository) []string {
		row := []string{r.URL, strings.Join(r.Suites, " "), strings.Join(r.Components, " "), strings.Join(r.SignedBy, " "), r.File}
		return l.more(row, r.Kind, r.Name, yes(r.Disabled), yes(r.Unsigned))
	}, l.more([]string{"REPOSITORY", "SUITES", "COMPONENTS", "SIGNED BY", "FILE"}, "KIND", "NAME", "DISABLED", "UNSIGNED")...)
	add(l, "language packages", h.Languages, func(p inventory.LanguagePackage) []string {
		return []string{p.Name, p.Version, p.Manager, p.Folder}
	}, "LANGUAGE PACKAGE", "VERSION", "MANAGER", "FOLDER")
	add(l, "releases", h.Releases, func(r inventory.Release) []string {
		return []string{string(r.Path), r.Kind, r.Version, r.Remote}
	}, "RELEASE", "KIND", "VERSION", "REMOTE")
	add(l, "containers", h.Containers, func(c inventory.Container) []string {
		row := []string{c.Name, c.Engine, c.Image, strconv.FormatBool(c.Running), strings.Join(c.Ports, " ")}
		return l.more(row, strings.Join(c.Mounts, " "), c.Restart, c.Compose, c.ID, c.Digest)
	}, l.more([]string{"CONTAINER", "ENGINE", "IMAGE", "RUNNING", "PORTS"}, "MOUNTS", "RESTART", "COMPOSE", "ID", "IMAGE ID")...)
	addFull(l, "images", h.Images, func(i inventory.Image) []string {
		return []string{i.Name, i.Engine, i.ID, i.Digest}
	}, "IMAGE", "ENGINE", "ID", "DIGEST")
	addFull(l, "compose", h.Compose, func(c inventory.Compose) []string {
		return []string{string(c.File), strings.Join(c.Services, " "), strings.Join(c.Images, " ")}
	}, "COMPOSE FILE", "SERVICES", "IMAGES")
}

func (l *tableList) running() {
	h := l.host
	add(l, "services", h.Services, func(s inventory.Service) []string {
		return l.more([]string{s.Unit, s.Enabled, s.Active, cmp.Or(s.Package, s.File), strings.Join(s.Overrides, " ")}, s.File)
	}, l.more([]string{"UNIT", "ENABLED", "ACTIVE", "PACKAGE", "OVERRIDES"}, "FILE")...)
	add(l, "timers", h.Timers, func(x inventory.Timer) []string {
		return l.more([]string{x.Unit, x.Starts, strings.Join(x.Schedule, "; "), x.Enabled, x.Cause.String()}, x.Active)
	}, l.more([]string{"TIMER", "STARTS", "SCHEDULE", "ENABLED", "FROM"}, "ACTIVE")...)
	add(l, "cron jobs", h.CronJobs, func(j inventory.CronJob) []string {
		return []string{string(j.File), line(j.Line), j.User, j.Schedule, j.Command, j.Cause.String()}
	}, "CRON JOB", "LINE", "USER", "SCHEDULE", "COMMAND", "FROM")
	add(l, "listeners", h.Listeners, func(s inventory.Listener) []string {
		return []string{s.Protocol, s.Address, strconv.Itoa(s.Port), s.Process, s.Package, s.Unit, s.Cause.String()}
	}, "PROTOCOL", "ADDRESS", "PORT", "PROCESS", "PACKAGE", "UNIT", "FROM")
	add(l, "programs", h.Programs, func(p inventory.Program) []string {
		return []string{string(p.Path), string(p.Script), p.User, p.Unit, p.Cause.String()}
	}, "PROGRAM", "SCRIPT", "USER", "UNIT", "FROM")
	add(l, "connections", h.Connections, func(c inventory.Connection) []string {
		return []string{c.Direction, c.Protocol, c.Peer, strconv.Itoa(c.Port), c.Process, line(c.Count)}
	}, "CONNECTION", "PROTOCOL", "PEER", "PORT", "PROCESS", "AT ONCE")
}
