package capture

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcmigrate/migrate/inventory"
)

// cron reads the jobs of crontab(5), anacrontab(5) and at(1), and the scripts that
// run-parts(8) starts.
func (p *parser) cron() {
	for _, file := range slices.Sorted(maps.Keys(p.contents)) {
		switch {
		case file == "/etc/crontab", strings.HasPrefix(file, "/etc/cron.d/") && !strings.HasPrefix(path.Base(file), "."):
			p.crontab(file, "", p.contents[file])
		case isAtJob(file):
			p.atJob(file, p.contents[file])
		case strings.HasPrefix(file, "/var/spool/cron/"):
			p.crontab(file, path.Base(file), p.contents[file])
		case file == "/etc/anacrontab":
			p.anacrontab(file, p.contents[file])
		}
	}
	for _, file := range slices.Sorted(maps.Keys(p.tree)) {
		f := p.tree[file]
		m := runPartsFolder.FindStringSubmatch(file)
		if m == nil || f.Kind == kinds["d"] || strings.HasPrefix(path.Base(file), ".") {
			continue
		}
		job := inventory.CronJob{File: inventory.Text(file), User: "root", Schedule: m[1], Command: file}
		job.Cause = p.causeOfPath(file)
		p.host.CronJobs = append(p.host.CronJobs, job)
	}
}

var (
	runPartsFolder = regexp.MustCompile(`^/etc/cron\.(hourly|daily|weekly|monthly|yearly)/`)
	// cronLine matches the schedule and the rest of a line.
	cronLine = regexp.MustCompile(`^\s*(@\w+|(?:[\d*/,A-Za-z~-]+\s+){4}[\d*/,A-Za-z~-]+)\s+(\S.*)$`)
	envLine  = regexp.MustCompile(`^\s*["']?[A-Za-z_]\w*["']?\s*=`)
)

// crontab reads a table. With an empty user it is a system's table, which names
// the user of each job.
func (p *parser) crontab(file, user, text string) {
	for i, line := range strings.Split(text, "\n") {
		if t := strings.TrimSpace(line); t == "" || strings.HasPrefix(t, "#") || envLine.MatchString(line) {
			continue
		}
		m := cronLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		job := inventory.CronJob{File: inventory.Text(file), Line: i + 1, User: user, Schedule: strings.Join(strings.Fields(m[1]), " "), Command: strings.TrimSpace(m[2])}
		if user == "" {
			job.User, job.Command, _ = strings.Cut(job.Command, " ")
			if at := strings.IndexAny(job.User, "\t"); at >= 0 {
				job.User, job.Command = job.User[:at], job.User[at+1:]+" "+job.Command
			}
			job.Command = strings.TrimSpace(job.Command)
		}
		p.addJob(job)
	}
}

// anacrontab reads lines of period, delay, name and command.
func (p *parser) anacrontab(file, text string) {
	for i, line := range strings.Split(text, "\n") {
		f := strings.Fields(line)
		if len(f) < 4 || strings.HasPrefix(f[0], "#") || envLine.MatchString(line) {
			continue
		}
		p.addJob(inventory.CronJob{File: inventory.Text(file), Line: i + 1, User: "root", Schedule: "every " + f[0] + " days", Command: strings.Join(f[3:], " ")})
	}
}

func (p *parser) addJob(job inventory.CronJob) {
	job.Cause = p.causeOfJob(string(job.File), job.Command)
	job.Command, _ = p.redactor.Command(job.Command)
	p.host.CronJobs = append(p.host.CronJobs, job)
}

var (
	// separators match what stands between the commands of a line.
	separators = regexp.MustCompile(`\|\|?|&&|;|\$\(|` + "`")
	// wrappers match programs that run the command behind them, and their options.
	wrappers = regexp.MustCompile(`^(nice|ionice|timeout|sudo|flock|chronic|nohup|time|exec|env|setsid|if|then|!|su|runuser|-.*|\d+[smh]?|[A-Za-z_]\w*=.*)$`)
	// conditions match commands that do not run their arguments.
	conditions = regexp.MustCompile(`^\s*((if|!)\s+)*(test|\[|cd)\s`)
	// packagedFolders match folders in which every program is a package's.
	packagedFolders = regexp.MustCompile(`^/((usr/)?(s?bin|lib|lib64|libexec|share)|etc/init\.d|etc/cron\.\w+)(/|$)`)
)

// programsOf returns the programs and scripts that a command line starts by
// absolute paths.
func programsOf(command string) []string {
	var all []string
	for _, part := range separators.Split(command, -1) {
		if conditions.MatchString(part) {
			continue
		}
		interpreted := false
		for _, w := range strings.Fields(part) {
			w = strings.Trim(w, `"'()`)
			switch {
			case interpreter.MatchString(path.Base(w)) && !interpreted:
				interpreted = true
				continue
			case wrappers.MatchString(w):
				continue
			}
			if strings.HasPrefix(w, "/") {
				all = append(all, w)
			}
			break
		}
	}
	return all
}

// causeOfJob returns the cause of the file that lists a job. The job has none if
// one of its own programs has none.
func (p *parser) causeOfJob(file, command string) inventory.Cause {
	for _, program := range programsOf(command) {
		if !packagedFolders.MatchString(program) && !p.causeOfPath(program).Explained() {
			return inventory.Cause{}
		}
	}
	if pkg := p.owner(file); pkg != "" && !p.isConfiguration(file) {
		return inventory.Cause{Kind: inventory.ByPackage, Name: pkg}
	}
	if p.isConfiguration(file) {
		return inventory.Cause{Kind: inventory.ByFile, Name: file}
	}
	return inventory.Cause{}
}

// atFolders are the folders of the jobs of at(1), on Debian and on RHEL.
var atFolders = []string{"/var/spool/cron/atjobs", "/var/spool/at"}

// atName matches the file name of a job: its queue, its number, and the time when
// it is due in minutes since the epoch, both numbers in hexadecimal (at.c of at 3.2).
var atName = regexp.MustCompile(`^[a-zA-Z=][0-9a-f]{5}([0-9a-f]{8})$`)

// isAtJob reports whether a file lies in one of atFolders.
func isAtJob(file string) bool {
	for _, folder := range atFolders {
		if path.Dir(file) == folder {
			return true
		}
	}
	return false
}

// atJob reads a job of at: a script that sets the environment and the folder of
// the user who submitted the job, and then runs the user's commands.
func (p *parser) atJob(file, text string) {
	m := atName.FindStringSubmatch(path.Base(file))
	if m == nil {
		return // .SEQ, at's own counter of jobs
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
	p.addJob(job)
}

// atCommand returns the commands behind a job's change of folder, joined by
// semicolons.
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
