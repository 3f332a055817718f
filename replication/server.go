package replication

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

// Side is the role of a server in its pair. It does not change at the cutover:
// the source is the old site for good.
type Side string

// The two sides of a pair.
const (
	Source Side = "source"
	Target Side = "target"
)

// Endpoint is a host and port that the other side's server connects to.
type Endpoint struct {
	Host string
	Port int
}

// String is host:port.
func (e Endpoint) String() string { return net.JoinHostPort(e.Host, strconv.Itoa(e.Port)) }

// ServerConfig is how migrate reaches one server.
type ServerConfig struct {
	Name string // as the operator knows it: "db1 (source)"
	Side Side
	// Host is the server's machine: commands and connections go through it.
	// Without it the server is dialled directly, and nothing can be configured
	// in its files.
	Host remote.Host
	// Network and Address as seen from Host: "unix" and a socket, or "tcp" and host:port.
	Network, Address string
	User             string
	Password         secret.Value
	// ReplicaUser logs in to the server's own replicas; empty: User does.
	ReplicaUser     string
	ReplicaPassword secret.Value
	// OnlyReads says that User was made to read all there is, the binlog too, and
	// nothing else: no account is made for the binlog.
	OnlyReads bool
	// Endpoint is where the other side's server reaches this one. New hosts get
	// theirs late, so it is asked for when it is needed.
	Endpoint func(context.Context) (Endpoint, error)
}

// Server is one MySQL or MariaDB server that migrate is logged in to. It
// connects when it is first used and is safe for concurrent use.
type Server struct {
	Config ServerConfig

	mu           sync.Mutex
	db           *sql.DB
	KnownDialect *dialect.Dialect
}

// Pair is a source server and the target server that will replace it.
type Pair struct {
	Name           string
	Source, Target *Server
	// Schemas to move; empty: all but the system's.
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

// NewServer returns the server that cfg describes; nothing is opened yet.
func NewServer(cfg ServerConfig) *Server { return &Server{Config: cfg} }

// Name is the server's name for the operator.
func (s *Server) Name() string { return s.Config.Name }

// Side is the server's side of its pair.
func (s *Server) Side() Side { return s.Config.Side }

// Host is the server's machine, or nil.
func (s *Server) Host() remote.Host { return s.Config.Host }

// Endpoint is where the other side's server reaches this one.
func (s *Server) Endpoint(ctx context.Context) (Endpoint, error) {
	if s.Config.Endpoint == nil {
		return Endpoint{}, fmt.Errorf("find the endpoint of %s: none is configured", s.Config.Name)
	}
	endpoint, err := s.Config.Endpoint(ctx)
	if err != nil {
		return Endpoint{}, fmt.Errorf("find the endpoint of %s: %w", s.Config.Name, err)
	}
	return endpoint, nil
}

// Limits of every session of ours.
const (
	DialTimeout     = 15 * time.Second
	LockWaitSeconds = "10"
	maxConnections  = 16
	idleTimeout     = time.Minute
)

// SessionMode is the sql_mode of every session of ours: identifiers are quoted
// by backticks, nothing that a row may hold is refused, a zero in an
// AUTO_INCREMENT column stays a zero.
const SessionMode = "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES"

// DB returns the server's connection pool. Every session in it has
// time_zone='+00:00', a permissive sql_mode, utf8mb4 and bounded lock waits.
// Values that a caller sets in a session must not return to the pool: see Session.
func (s *Server) DB(_ context.Context) (*sql.DB, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db != nil {
		return s.db, nil
	}
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd = s.Config.User, s.Config.Password.Open()
	cfg.Net, cfg.Addr = s.Config.Network, s.Config.Address
	cfg.Timeout = DialTimeout
	cfg.InterpolateParams = true
	cfg.MaxAllowedPacket = 0 // ask the server
	cfg.Logger = &mysql.NopLogger{}
	cfg.DialFunc = s.Dial
	cfg.Params = map[string]string{
		"time_zone":         "'+00:00'",
		"sql_mode":          "'" + SessionMode + "'",
		"lock_wait_timeout": LockWaitSeconds,
		"wait_timeout":      "3600",
		"net_write_timeout": "600",
		"net_read_timeout":  "600",
		SessionMark:         SessionMarkValue,
	}
	if err := cfg.Apply(mysql.Charset("utf8mb4", "utf8mb4_bin")); err != nil {
		return nil, fmt.Errorf("configure the login to %s: %w", s.Config.Name, err)
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("configure the login to %s: %w", s.Config.Name, err)
	}
	s.db = sql.OpenDB(connector)
	s.db.SetMaxOpenConns(maxConnections)
	s.db.SetMaxIdleConns(4)
	s.db.SetConnMaxIdleTime(idleTimeout)
	return s.db, nil
}

// Dial connects to an address as the server's host sees it.
func (s *Server) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if s.Config.Host != nil {
		return s.Config.Host.Dial(ctx, network, address)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// Dialect returns the server's flavor, version and statements. It is asked for
// once a connection: Close forgets it, because the server may be upgraded.
func (s *Server) Dialect(ctx context.Context) (*dialect.Dialect, error) {
	db, err := s.DB(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	known := s.KnownDialect
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	var version, comment string
	err = db.QueryRowContext(ctx, "SELECT VERSION(), @@version_comment").Scan(&version, &comment)
	if err != nil {
		return nil, s.Wrap("log in", err)
	}
	dialect, err := dialect.ParseVersion(version, comment)
	if err != nil {
		return nil, s.Wrap("read the version", err)
	}
	s.mu.Lock()
	s.KnownDialect = dialect
	s.mu.Unlock()
	return dialect, nil
}

// Open returns the pool and the dialect: what almost every caller needs.
func (s *Server) Open(ctx context.Context) (*sql.DB, *dialect.Dialect, error) {
	dialect, err := s.Dialect(ctx)
	if err != nil {
		return nil, nil, err
	}
	db, err := s.DB(ctx)
	return db, dialect, err
}

// Session is one connection whose settings were changed; Close ends it instead
// of giving it back to the pool.
type Session struct{ *sql.Conn }

// Session takes a connection of its own and runs the settings in it, each a
// whole statement.
func (s *Server) Session(ctx context.Context, settings ...string) (*Session, error) {
	db, err := s.DB(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, s.Wrap("connect", err)
	}
	session := &Session{conn}
	for _, setting := range settings {
		if _, err := conn.ExecContext(ctx, setting); err != nil {
			session.Close()
			return nil, s.Wrap(setting, err)
		}
	}
	return session, nil
}

// Close ends the connection for good.
func (s *Session) Close() {
	// ErrBadConn from Raw makes the pool throw the connection away; its error
	// is that same ErrBadConn.
	_ = s.Raw(func(any) error { return driver.ErrBadConn })
	_ = s.Conn.Close()
}

// Close ends every connection; the Server connects again when it is used again.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.KnownDialect = nil
	if s.db == nil {
		return nil
	}
	err := s.db.Close()
	s.db = nil
	if err != nil {
		return fmt.Errorf("close %s: %w", s.Config.Name, err)
	}
	return nil
}

// Wrap names the server in err, and adds a hint where the login itself was refused.
func (s *Server) Wrap(what string, err error) error {
	err = fmt.Errorf("%s on %s: %w", what, s.Config.Name, err)
	switch query.ErrorNumber(err) {
	case 1045, 1698:
		return report.WithHint(err, "set databases[].%s.user and password_env to a login with administrative rights", s.Config.Side)
	case 1044, 1142, 1143, 1227, 1370: // access denied to a schema, table, column, privilege, routine
		return report.WithHint(err, "grant the login %q what the server names; migrate plan has the whole statement (H30)", s.Config.User)
	}
	return err
}
