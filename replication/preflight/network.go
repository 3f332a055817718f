package preflight

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	protocol "github.com/go-mysql-org/go-mysql/client"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/wire"
	"github.com/dcmigrate/migrate/wait"
)

const (
	legTimeout = 10 * time.Second
	// probeUser exists on no server: a server that refuses it because of its name or
	// password is reached.
	probeUser = replication.ProbeUser
	// Errors of a server before it looks at the login.
	hostBlocked        = 1129
	hostNotPrivileged  = 1130
	tooManyConnections = 1040
	accessRefused      = 1045
	socketOnly         = 1698
)

// checkLegs connects from host to host in both directions, as the links will, and names the
// leg that fails (H30). It needs no account: it ends when the server asks for one. Whether
// the server lets the links' accounts in shows when the links are made.
func (i *inspection) checkLegs(ctx context.Context) error {
	for _, l := range []struct{ client, server *side }{{i.target, i.source}, {i.source, i.target}} {
		if dialect.IsOn(l.server.variables["require_secure_transport"]) {
			i.add("H30", Refuse, l.server, "SET GLOBAL require_secure_transport = OFF for the move, in the option file too; the links belong into a private network",
				"require_secure_transport is on, and links are made without TLS")
		}
		i.checkPacket(l.client, l.server)
		if err := i.checkLeg(ctx, l.client, l.server); err != nil {
			return err
		}
	}
	return nil
}

// checkPacket compares the packets that a replica takes with those that its origin may log
// (H30).
func (i *inspection) checkPacket(replica, origin *side) {
	takes, sends := query.Number(replica.variables["slave_max_allowed_packet"]), query.Number(origin.variables["max_allowed_packet"])
	if takes > 0 && takes < sends {
		i.add("H30", Refuse, replica, fmt.Sprintf("SET GLOBAL slave_max_allowed_packet = %d, in the option file too", 1<<30),
			"slave_max_allowed_packet is %s, and %s may log rows of %s", phrase.Bytes(takes), origin.Name(), phrase.Bytes(sends))
	}
}

// checkLeg tries the connection from the host of a server to the other server.
func (i *inspection) checkLeg(ctx context.Context, from, to *side) error {
	endpoint, err := to.Endpoint(ctx)
	if errors.Is(err, replication.ErrNotProvisioned) {
		return err
	}
	if err != nil {
		i.add("H30", Refuse, to, "give its host an address that the other site reaches", "%v", err)
		return nil
	}
	leg := fmt.Sprintf("from %s to %s at %s", from.Name(), to.Name(), endpoint)
	if from.Host() == nil {
		i.add("H30", Warn, from, "none needed: the link names the leg that fails when it is made", "migrate does not reach its machine: the way %s is not tested", leg)
		return nil
	}
	failed := i.tryLeg(ctx, from, to, endpoint)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case failed == nil:
	case errors.Is(failed.err, remote.ErrUnreachable), errors.Is(failed.err, remote.ErrLost):
		return failed.err // migrate's own connection to the host failed
	default:
		i.add("H30", failed.severity, to, failed.fix, "the way %s: %s", leg, failed.found)
	}
	return nil
}

// legError is what is wrong with a leg.
type legError struct {
	severity   Severity
	found, fix string
	err        error
}

// tryLeg connects, checks that the right server answers, and logs in as probeUser; nil is a
// good leg.
func (i *inspection) tryLeg(ctx context.Context, from, to *side, endpoint replication.Endpoint) *legError {
	limited, cancel := context.WithTimeout(ctx, legTimeout)
	defer cancel()
	conn, err := from.Host().Dial(limited, "tcp", endpoint.String())
	if err != nil {
		return i.explainDial(err, limited.Err() != nil, from, endpoint)
	}
	defer conn.Close()
	release := context.AfterFunc(limited, func() { _ = conn.Close() })
	defer release()
	greeting, err := readGreeting(conn)
	if err != nil {
		return &legError{
			Refuse, "connected, but no MySQL server answers: " + err.Error(),
			fmt.Sprintf("let port %d lead to the server itself, without a proxy in between", endpoint.Port), err,
		}
	}
	if right, err := i.hasGreeted(limited, to, greeting); err != nil {
		return &legError{Refuse, err.Error(), "run it again", err}
	} else if !right {
		return &legError{Refuse, "another server answers", fmt.Sprintf("let port %d of %s lead to %s", endpoint.Port, endpoint.Host, to.Name()), nil}
	}
	again := replayedConn{conn, io.MultiReader(bytes.NewReader(greeting), conn)}
	client, err := protocol.ConnectWithDialer(limited, "tcp", endpoint.String(), probeUser, "", "",
		func(context.Context, string, string) (net.Conn, error) { return again, nil })
	if err == nil {
		_ = client.Close() // a server that lets anonymous users in
		return nil
	}
	return explainRefusal(wire.DriverError(err))
}

// replayed is a connection whose first bytes have been read already.
type replayedConn struct {
	net.Conn
	in io.Reader
}

// Read implements net.Conn.
func (r replayedConn) Read(p []byte) (int, error) { return r.in.Read(p) }

// readGreeting reads the first packet of a server, with its head.
func readGreeting(conn net.Conn) ([]byte, error) {
	packet := make([]byte, 4)
	if _, err := io.ReadFull(conn, packet); err != nil {
		return nil, err
	}
	n := int(packet[0]) | int(packet[1])<<8 | int(packet[2])<<16
	const maxGreeting = 1 << 10
	if n == 0 || n > maxGreeting || packet[3] != 0 {
		return nil, errors.New("what it says is not MySQL's protocol")
	}
	packet = append(packet, make([]byte, n)...)
	_, err := io.ReadFull(conn, packet[4:])
	return packet, err
}

// hasGreeted asks the server whether the session that greeted is one of its sessions.
func (i *inspection) hasGreeted(ctx context.Context, s *side, greeting []byte) (bool, error) {
	const versionAt = 5 // behind the head and the protocol's version
	if greeting[4] == 0xff {
		return true, nil // an error: the login will say it again
	}
	end := bytes.IndexByte(greeting[versionAt:], 0)
	if end < 0 || len(greeting) < versionAt+end+5 {
		return false, errors.New("the server's greeting is cut short")
	}
	id := binary.LittleEndian.Uint32(greeting[versionAt+end+1:])
	for range 10 { // the session is listed a moment after it has greeted
		all, err := query.Processes(ctx, s.db)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(all, func(p query.Process) bool { return uint32(p.ID) == id && p.User == "unauthenticated user" }) {
			return true, nil
		}
		if err := wait.For(ctx, 20*time.Millisecond); err != nil {
			return false, err
		}
	}
	return false, nil
}

// explainDial says why the connection failed; late means that legTimeout is over.
func (i *inspection) explainDial(err error, late bool, from *side, endpoint replication.Endpoint) *legError {
	text := strings.ToLower(err.Error())
	has := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(text, part) {
				return true
			}
		}
		return false
	}
	open := fmt.Sprintf("let TCP port %d of %s in from the machine of %s", endpoint.Port, endpoint.Host, from.Name())
	switch {
	case has("administratively prohibited"):
		return &legError{Warn, "it is not tested: " + err.Error(), "let sshd there forward (AllowTcpForwarding yes), or check it by hand", err}
	case late || has("timed out", "timeout"):
		return &legError{Refuse, "timed out", open + ": a firewall drops it", err}
	case has("refused"):
		return &legError{Refuse, "refused", fmt.Sprintf("let the server listen there (bind_address, skip_networking, port); %s", open), err}
	case has("no route", "unreachable"):
		return &legError{Refuse, "no route", "connect the sites' networks, or configure an address that the other site reaches", err}
	case has("resolve", "no such host", "name or service", "not known"):
		return &legError{Refuse, "its name is not known there", "configure an address in place of the name", err}
	}
	return &legError{Refuse, err.Error(), open, err}
}

// explainRefusal says what the server's answer to the probe means; nil means that the
// server is reached.
func explainRefusal(err error) *legError {
	switch query.ErrorNumber(err) {
	case accessRefused, socketOnly:
		return nil
	case hostNotPrivileged:
		return nil // no account is for that host yet; the link makes its own
	case hostBlocked:
		return &legError{Refuse, "the server has blocked the machine", "FLUSH HOSTS on the server, or TRUNCATE TABLE performance_schema.host_cache", err}
	case tooManyConnections:
		return &legError{Refuse, "the server has no connection left", "raise max_connections, or end sessions", err}
	}
	return &legError{Refuse, "the login fails: " + err.Error(), "look into the server's error log", err}
}
