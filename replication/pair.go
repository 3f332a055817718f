package replication

import (
	"net"
	"strconv"
)

// Side is the role of a server in its pair. It does not change at the cutover:
// the source is the old site for good.
type Side string

// The two sides of a pair.
const (
	Source Side = "source"
	Target Side = "target"
)

// Endpoint is the host and port that the other side's server connects to.
type Endpoint struct {
	Host string
	Port int
}

// String is host:port.
func (e Endpoint) String() string { return net.JoinHostPort(e.Host, strconv.Itoa(e.Port)) }

// Pair is a source server and the target server that will replace it.
type Pair struct {
	Name           string
	Source, Target *Server
	// Schemas are the schemas to move; none means all but the system's.
	Schemas []string
}

// Of returns the pair's server of a side.
func (p Pair) Of(side Side) *Server {
	if side == Source {
		return p.Source
	}
	return p.Target
}

// Other returns the side opposite to side.
func (s Side) Other() Side {
	if s == Source {
		return Target
	}
	return Source
}
