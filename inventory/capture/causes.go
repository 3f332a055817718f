package capture

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// causeOfProcess returns what brings a process back on a rebuilt host: its
// container, or the cause of the script that it runs, or of its executable.
func (p *parser) causeOfProcess(exe, script, container string) inventory.Cause {
	if container != "" {
		for _, c := range p.host.Containers {
			if c.ID == container {
				return inventory.Cause{Kind: inventory.ByContainer, Name: c.Name}
			}
		}
		return inventory.Cause{}
	}
	if strings.HasPrefix(script, "/") {
		return p.causeOfPath(script)
	}
	if script != "" && !strings.HasPrefix(script, "module ") {
		return inventory.Cause{} // relative to an unknown folder
	}
	return p.causeOfPath(exe)
}

// causeOfPath returns what brings a file back on a rebuilt host.
func (p *parser) causeOfPath(path string) inventory.Cause {
	if path == "" {
		return inventory.Cause{}
	}
	if pkg := p.owner(path); pkg != "" {
		return inventory.Cause{Kind: inventory.ByPackage, Name: pkg}
	}
	if p.isListed(path) || p.isConfiguration(path) {
		return inventory.Cause{Kind: inventory.ByFile, Name: path}
	}
	for _, r := range p.host.Releases {
		if r.Version != "" && strings.HasPrefix(path, strings.TrimSuffix(string(r.Path), "/")+"/") {
			return inventory.Cause{Kind: inventory.ByRelease, Name: string(r.Path)}
		}
	}
	for _, l := range p.host.Languages {
		if strings.HasPrefix(path, l.Folder+"/"+l.Name+"/") {
			return inventory.Cause{Kind: inventory.ByLanguage, Name: l.Name}
		}
	}
	return inventory.Cause{}
}

// countCoverage counts the listeners, programs, timers and jobs, and their causes.
func (p *parser) countCoverage() {
	c := inventory.Coverage{}
	count := func(cause inventory.Cause, format string, args ...any) {
		c.Total++
		if cause.Explained() {
			c.Explained++
			return
		}
		c.Unexplained = append(c.Unexplained, fmt.Sprintf(format, args...))
	}
	for _, l := range p.host.Listeners {
		count(l.Cause, "listener %s %s:%d (%s)", l.Protocol, l.Address, l.Port, l.Process)
	}
	for _, g := range p.host.Programs {
		name := string(g.Path)
		if g.Script != "" {
			name += " " + string(g.Script)
		}
		count(g.Cause, "program %s", name)
	}
	for _, t := range p.host.Timers {
		count(t.Cause, "timer %s", t.Unit)
	}
	for _, j := range p.host.CronJobs {
		count(j.Cause, "cron job %s:%d", j.File, j.Line)
	}
	slices.Sort(c.Unexplained)
	c.Unexplained = slices.Compact(c.Unexplained)
	p.host.Coverage = c
}
