package capture

import (
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/inventory"
)

// atFolders are where at(1) keeps its jobs: Debian's, and RHEL's.
var atFolders = []string{"/var/spool/cron/atjobs", "/var/spool/at"}

// atName is a job's queue, its number, and the minutes from the epoch to when
// it is due, the numbers in hexadecimal (at.c of at 3.2).
var atName = regexp.MustCompile(`^[a-zA-Z=][0-9a-f]{5}([0-9a-f]{8})$`)

// isAtJob reports whether a file lies where at keeps its jobs.
func isAtJob(file string) bool {
	for _, folder := range atFolders {
		if path.Dir(file) == folder {
			return true
		}
	}
	return false
}

// atJob reads a job of at: a script that sets the environment of whoever asked
// for it, goes to the folder that they were in, and then does what they wanted.
func (p *parser) atJob(file, text string) {
	m := atName.FindStringSubmatch(path.Base(file))
	if m == nil {
		return // at's own count of jobs
	}
	minutes, err := strconv.ParseInt(m[1], 16, 64)
	if err != nil {
		return
	}
	job := inventory.CronJob{File: inventory.Text(file), Schedule: "once at " + time.Unix(minutes*60, 0).UTC().Format("2006-01-02 15:04 MST")}
	if f := p.tree[file]; f != nil {
		job.User = f.Owner
	}
	job.Command = atCommand(text)
	p.job(job)
}

// atCommand is what stands in a job behind the change of folder, with its lines
// joined.
func atCommand(text string) string {
	if _, after, found := strings.Cut(text, "\ncd "); found {
		if _, rest, found := strings.Cut(after, "\n}\n"); found {
			text = rest
		}
	}
	var commands []string
	for _, line := range lines(text) {
		line = strings.TrimSpace(line)
		here := strings.Contains(line, "<< 'marcinDELIMITER") || strings.HasPrefix(line, "marcinDELIMITER")
		if line != "" && !here && !strings.HasPrefix(line, "#") {
			commands = append(commands, line)
		}
	}
	return strings.Join(commands, "; ")
}
