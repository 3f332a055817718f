package capture

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// process is a process of the host; kernel threads are excluded.
type process struct {
	pid, parent, uid int
	exe              string
	group            string // path of the control group
	arguments        []string
}

var procPath = regexp.MustCompile(`^/proc/(\d+)/`)

// programs reads the processes and lists each executable once.
func (p *parser) programs() {
	hidden := p.readProcesses()
	if hidden > 0 && p.host.As != "root" {
		p.addMissing(inventory.Missing{What: "programs", Reason: inventory.Denied, Detail: strconv.Itoa(hidden) + " processes of other users do not show their program"})
	}
	own := p.captureProcesses()
	userNames := map[int]string{}
	for _, a := range p.host.Users {
		userNames[a.UID] = a.Name
	}
	seen := map[inventory.Program]bool{}
	for pid, proc := range p.processes {
		if own[pid] || proc.exe == "" { // its executable is hidden from the login, or it has ended
			continue
		}
		program := inventory.Program{Path: inventory.Text(proc.exe), Script: inventory.Text(proc.script()), User: cmp.Or(userNames[proc.uid], strconv.Itoa(proc.uid)), Unit: proc.unit()}
		if program.Unit == "" && proc.interactive() || proc.container() != "" && program.Path == "" {
			continue
		}
		if seen[program] {
			continue
		}
		seen[program] = true
		explained := program
		explained.Cause = p.causeOfProcess(proc.exe, string(program.Script), proc.container())
		p.host.Programs = append(p.host.Programs, explained)
	}
	slices.SortFunc(p.host.Programs, func(a, b inventory.Program) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Script, b.Script), cmp.Compare(a.User, b.User), cmp.Compare(a.Unit, b.Unit))
	})
}

// readProcesses joins the sections about processes. It returns how many processes
// hide their executable.
func (p *parser) readProcesses() (hidden int) {
	parsePath := func(line string) (int, string, bool) {
		m := procPath.FindStringSubmatch(line)
		if m == nil {
			return 0, "", false
		}
		pid, err := strconv.Atoi(m[1])
		return pid, line[len(m[0]):], err == nil
	}
	p.parse("process-status", func(text string) error {
		for _, line := range lines(text) {
			pid, rest, ok := parsePath(line)
			f := strings.Fields(rest)
			if !ok || len(f) < 2 {
				continue
			}
			proc := p.processes[pid]
			proc.pid = pid
			n, _ := strconv.Atoi(f[1])
			if strings.HasSuffix(f[0], "PPid:") {
				proc.parent = n
			} else {
				proc.uid = n
			}
			p.processes[pid] = proc
		}
		return nil
	})
	p.parse("processes", func(text string) error {
		for _, r := range records(text, 2) {
			if pid, _, ok := parsePath(r[0]); ok && p.processes[pid].pid != 0 {
				proc := p.processes[pid]
				proc.exe = strings.TrimSuffix(r[1], " (deleted)") // an upgrade replaced it after the start
				p.processes[pid] = proc
			}
		}
		return nil
	})
	for pid, proc := range p.processes {
		if proc.exe == "" { // a kernel thread, or hidden from the login
			if pid != 2 && proc.parent != 2 {
				hidden++
			}
			if pid == 2 || proc.parent == 2 {
				delete(p.processes, pid)
			}
		}
	}
	p.parse("process-groups", func(text string) error {
		for _, line := range lines(text) {
			pid, rest, ok := parsePath(line) // cgroup:HIERARCHY:CONTROLLERS:PATH; see cgroups(7)
			f := strings.SplitN(rest, ":", 4)
			if !ok || p.processes[pid].pid == 0 || len(f) != 4 || f[2] != "" && f[2] != "name=systemd" || f[3] == "/" {
				continue
			}
			proc := p.processes[pid]
			proc.group = f[3]
			p.processes[pid] = proc
		}
		return nil
	})
	p.parse("process-words", p.processArguments)
	return hidden
}

var cmdlineHeader = regexp.MustCompile(`(?:^|\n|\x00)==> /proc/(\d+)/cmdline <==\n`)

// processArguments reads the output of head -v: a header for each process, then its
// arguments, each ended by a NUL.
func (p *parser) processArguments(text string) error {
	at := cmdlineHeader.FindAllStringSubmatchIndex(text, -1)
	for i, m := range at {
		pid, err := strconv.Atoi(text[m[2]:m[3]])
		if err != nil || p.processes[pid].pid == 0 {
			continue
		}
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		proc := p.processes[pid]
		proc.arguments = strings.Split(strings.TrimRight(text[m[1]:end], "\x00\n"), "\x00")
		p.processes[pid] = proc
	}
	return nil
}

// captureProcesses returns the processes of the capture itself: the script, its
// children, and the login that started it.
func (p *parser) captureProcesses() map[int]bool {
	own := map[int]bool{p.answer.self: true}
	for pid := p.answer.self; pid > 1; {
		proc, ok := p.processes[pid]
		if !ok || proc.parent <= 1 {
			break
		}
		if own[pid] = true; p.processes[proc.parent].parent <= 1 {
			break // its parent is a daemon, such as sshd
		}
		pid = proc.parent
	}
	for pid := range p.processes {
		for at, steps := pid, 0; at > 1 && steps < 64; at, steps = p.processes[at].parent, steps+1 {
			if at == p.answer.self {
				own[pid] = true
				break
			}
		}
	}
	return own
}

var (
	interpreter         = regexp.MustCompile(`^(python[\d.]*|perl[\d.]*|ruby[\d.]*|node|nodejs|php(-fpm|-cgi)?[\d.]*|java|(ba|da|k|z)?sh|lua[\d.]*|busybox|tclsh[\d.]*|deno|bun)$`)
	interactivePrograms = regexp.MustCompile(`^-?((ba|da|k|z|fi)?sh|tmux.*|screen|less|vim?|nano|man|top|htop|su|sudo|ssh|sftp-server|scp|rsync)$`)
	containerID         = regexp.MustCompile(`(?:docker[-/]|libpod-|crio-|containerd-)(?:conmon-)?([0-9a-f]{64})`)
)

// script returns the script that an interpreter runs, or "".
func (p process) script() string {
	if !interpreter.MatchString(path.Base(p.exe)) || len(p.arguments) < 2 {
		return ""
	}
	for i := 1; i < len(p.arguments); i++ {
		w := p.arguments[i]
		switch {
		case w == "-c" || w == "-e" || w == "-r":
			return "" // the argument is the program: it may contain a secret
		case w == "-jar" && i+1 < len(p.arguments):
			return p.arguments[i+1]
		case w == "-m" && i+1 < len(p.arguments):
			return "module " + p.arguments[i+1]
		case strings.HasPrefix(w, "-") || strings.Contains(w, "=") || w == "":
			continue
		case strings.Contains(w, "/") || strings.Contains(w, "."):
			return w
		default:
			return ""
		}
	}
	return ""
}

// unit returns the systemd service that the process belongs to; "" for a login.
func (p process) unit() string {
	parts := strings.Split(p.group, "/")
	for _, part := range slices.Backward(parts) {
		if strings.HasSuffix(part, ".service") && !strings.HasPrefix(part, "user@") {
			return part
		}
	}
	return ""
}

func (p process) container() string {
	if m := containerID.FindStringSubmatch(p.group); m != nil {
		return m[1]
	}
	return ""
}

// interactive reports whether a user works with the process, so that it is no service.
func (p process) interactive() bool {
	return interactivePrograms.MatchString(path.Base(p.exe)) && p.script() == ""
}
