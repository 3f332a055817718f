package capture

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

var ssProcess = regexp.MustCompile(`\("((?:[^"\\]|\\.)*)",pid=(\d+),`)

// listeners joins the listening sockets with their programs and packages.
func (p *parser) listeners() {
	seen := map[inventory.Listener]bool{}
	p.parse("listeners", func(text string) error {
		for _, line := range lines(text) {
			l, pid, err := parseListener(line)
			if err != nil {
				return err
			}
			p.explainListener(&l, pid)
			if !seen[l] { // each process that shares the socket has a line
				seen[l] = true
				p.host.Listeners = append(p.host.Listeners, l)
			}
		}
		return nil
	})
	slices.SortFunc(p.host.Listeners, func(a, b inventory.Listener) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port),
			cmp.Compare(a.Address, b.Address), cmp.Compare(a.Process, b.Process), cmp.Compare(a.Package, b.Package))
	})
}

func (p *parser) explainListener(l *inventory.Listener, pid int) {
	proc, ok := p.processes[pid]
	if !ok {
		if l.Process == "" && p.host.As == "root" {
			l.Cause = inventory.Cause{Kind: inventory.ByKernel}
		}
		return
	}
	l.Unit = proc.unit()
	l.Package = p.owner(proc.exe)
	l.Cause = p.causeOfProcess(proc.exe, proc.script(), proc.container())
}

// parseListener reads a line of ss: protocol, state, queues, local address,
// peer, users.
func parseListener(line string) (l inventory.Listener, pid int, err error) {
	f := strings.Fields(line)
	if len(f) < 6 {
		return l, 0, fmt.Errorf("%.60q is no socket", line)
	}
	l.Protocol = f[0]
	if l.Address, l.Port, err = splitAddress(f[4]); err != nil {
		return l, 0, err
	}
	l.Process, pid = parseUsers(line)
	return l, pid, nil
}

func splitAddress(text string) (address string, port int, err error) {
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 {
		return "", 0, fmt.Errorf("%.60q is no address", text)
	}
	if port, err = strconv.Atoi(text[colon+1:]); err != nil {
		return "", 0, fmt.Errorf("%.60q is no address", text)
	}
	return strings.NewReplacer("[", "", "]", "").Replace(text[:colon]), port, nil
}

func parseUsers(line string) (process string, pid int) {
	_, users, _ := strings.Cut(line, "users:(")
	if m := ssProcess.FindStringSubmatch(users); m != nil {
		process = m[1]
		pid, _ = strconv.Atoi(m[2])
	}
	return process, pid
}

// connections joins the two samples of open connections, by peer and port.
func (p *parser) connections() {
	listening := map[string]bool{}
	for _, l := range p.host.Listeners {
		listening[fmt.Sprint(l.Protocol, l.Port)] = true
	}
	maxCounts := map[inventory.Connection]int{}
	read := func(text string) error {
		sample := map[inventory.Connection]int{}
		for _, line := range lines(text) {
			f := strings.Fields(line)
			if len(f) < 5 {
				return fmt.Errorf("%.60q is no connection", line)
			}
			local, localPort, err1 := splitAddress(f[3])
			peer, peerPort, err2 := splitAddress(f[4])
			if err := cmp.Or(err1, err2); err != nil {
				return err
			}
			process, _ := parseUsers(line)
			c := inventory.Connection{Direction: inventory.Out, Protocol: f[0], Peer: peer, Port: peerPort, Process: process}
			if listening[fmt.Sprint(f[0], localPort)] {
				c.Direction, c.Port = inventory.In, localPort
			}
			a, err := netip.ParseAddr(peer)
			if err != nil || a.Unmap().IsLoopback() || local == peer || strings.HasPrefix(process, "sshd") || c.Port == 22 {
				continue
			}
			c.Peer = a.Unmap().WithZone("").String()
			sample[c]++
			maxCounts[c] = max(maxCounts[c], sample[c])
		}
		return nil
	}
	p.parse("connections", read)
	p.parse("connections-again", read)
	for c, count := range maxCounts {
		c.Count = count
		p.host.Connections = append(p.host.Connections, c)
	}
	slices.SortFunc(p.host.Connections, func(a, b inventory.Connection) int {
		return cmp.Or(cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Peer, b.Peer), cmp.Compare(a.Process, b.Process))
	})
}
