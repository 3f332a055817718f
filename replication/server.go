package replication

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"sync"

	"github.com/go-sql-driver/mysql"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication/dialect"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
	"github.com/dcmigrate/migrate/secret"
)

// ServerConfig is how migrate reaches one server.
type ServerConfig struct {
	Name string // as the operator knows it: "db1 (source)"
	Side Side
	// Host is where the server runs: commands and connections go through it.
	// Without a host the server is dialled directly, and its files cannot be changed.
	Host remote.Host
	// Network and Address are as seen from Host: "unix" and a socket, or "tcp" and host:port.
	Network, Address string
	User             string
	Password         secret.Value
	// ReplicaUser logs in to the server's own replicas; if it is empty, User does.
	ReplicaUser     string
	ReplicaPassword secret.Value
	// OnlyReads says that User may read everything, the binlog included, and change
	// nothing: migrate then creates no account on the server.
	OnlyReads bool
	// Endpoint returns where the other side's server reaches this one. A new host
	// gets its address late, so it is asked for each time.
	Endpoint func(context.Context) (Endpoint, error)
}

// Server is one MySQL or MariaDB server that migrate is logged in to. It
// connects when it is first used and is safe for concurrent use.
type Server struct {
	config ServerConfig

	mu      sync.Mutex
	db      *sql.DB
	dialect *dialect.Dialect // nil until the server was asked
}

// NewServer returns the server that cfg describes; nothing is opened yet.
func NewServer(cfg ServerConfig) *Server { return &Server{config: cfg} }

// Name is the server's name for the operator.
func (s *Server) Name() string { return s.config.Name }

// Side is the server's side of its pair.
func (s *Server) Side() Side { return s.config.Side }

// Host is the host that the server runs on, or nil.
func (s *Server) Host() remote.Host { return s.config.Host }

// User is the account that migrate logs in with.
func (s *Server) User() string { return s.config.User }

// Password is the password of User.
func (s *Server) Password() secret.Value { return s.config.Password }

// OnlyReads is ServerConfig.OnlyReads.
func (s *Server) OnlyReads() bool { return s.config.OnlyReads }

// Address is where migrate connects to, as Host sees it: "unix" and a socket, or
// "tcp" and host:port.
func (s *Server) Address() (network, address string) { return s.config.Network, s.config.Address }

// ClientHost is the host part of an account that migrate itself logs in with:
// localhost over a socket, else any host.
func (s *Server) ClientHost() string {
	if s.config.Network == "unix" {
		return "localhost"
	}
	return AnyHost
}

// WithLogin returns the same server, logged in to with another account.
func (s *Server) WithLogin(user string, password secret.Value) *Server {
	cfg := s.config
	cfg.User, cfg.Password = user, password
	return NewServer(cfg)
}

// Replica returns the server at an address that replicates from s. migrate reaches it
// through the host of s and logs in as ReplicaUser or, without one, as it logs in to s:
// replicas usually have its accounts.
func (s *Server) Replica(address string) *Server {
	cfg := ServerConfig{
		Name: "replica " + address + " of " + s.config.Name, Side: s.config.Side, Host: s.config.Host,
		Network: "tcp", Address: address, User: s.config.User, Password: s.config.Password,
	}
	if s.config.ReplicaUser != "" {
		cfg.User, cfg.Password = s.config.ReplicaUser, s.config.ReplicaPassword
	}
	return NewServer(cfg)
}

// Endpoint returns where the other side's server reaches this one. While the host does
// not exist yet the error is ErrNotProvisioned.
func (s *Server) Endpoint(ctx context.Context) (Endpoint, error) {
	if s.config.Endpoint == nil {
		return Endpoint{}, fmt.Errorf("find the endpoint of %s: none is configured", s.config.Name)
	}
	endpoint, err := s.config.Endpoint(ctx)
	if err != nil {
		return Endpoint{}, fmt.Errorf("find the endpoint of %s: %w", s.config.Name, err)
	}
	return endpoint, nil
}

// DB returns the server's connection pool. Every session in it has
// time_zone='+00:00', SessionMode, utf8mb4 and bounded lock waits. A session whose
// settings a caller changes must not return to the pool: use Session for it.
func (s *Server) DB(_ context.Context) (*sql.DB, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db != nil {
		return s.db, nil
	}
	cfg := s.driverConfig(s.config.User, s.config.Password)
	cfg.InterpolateParams = true
	cfg.MaxAllowedPacket = 0 // ask the server
	cfg.Params = map[string]string{
		"time_zone":         "'+00:00'",
		"sql_mode":          "'" + SessionMode + "'",
		"lock_wait_timeout": LockWaitSeconds + DefinitionSettings,
		"wait_timeout":      "3600",
		"net_write_timeout": "600",
		"net_read_timeout":  "600",
		sessionMark:         sessionLockCall,
	}
	if err := cfg.Apply(mysql.Charset("utf8mb4", "utf8mb4_bin")); err != nil {
		return nil, fmt.Errorf("configure the login to %s: %w", s.config.Name, err)
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("configure the login to %s: %w", s.config.Name, err)
	}
	s.db = sql.OpenDB(connector)
	s.db.SetMaxOpenConns(maxConnections)
	s.db.SetMaxIdleConns(4)
	s.db.SetConnMaxIdleTime(idleTimeout)
	return s.db, nil
}

// PoolAs returns a small pool of another account's sessions, with the server's default
// settings. The caller closes it.
func (s *Server) PoolAs(user string, password secret.Value) (*sql.DB, error) {
	connector, err := mysql.NewConnector(s.driverConfig(user, password))
	if err != nil {
		return nil, fmt.Errorf("configure a login: %w", err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(2)
	return db, nil
}

func (s *Server) driverConfig(user string, password secret.Value) *mysql.Config {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd = user, password.Open()
	cfg.Net, cfg.Addr = s.config.Network, s.config.Address
	cfg.Timeout, cfg.DialFunc, cfg.Logger = DialTimeout, s.Dial, &mysql.NopLogger{}
	return cfg
}

// Dial connects to an address as the server's host sees it.
func (s *Server) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if s.config.Host != nil {
		return s.config.Host.Dial(ctx, network, address)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// Dialect returns the server's flavor, version and statements. The server is asked once
// until Close, because it may be upgraded after that.
func (s *Server) Dialect(ctx context.Context) (*dialect.Dialect, error) {
	db, err := s.DB(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	known := s.dialect
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
	s.dialect = dialect
	s.mu.Unlock()
	return dialect, nil
}

// Open returns the pool and the dialect, which most callers need together.
func (s *Server) Open(ctx context.Context) (*sql.DB, *dialect.Dialect, error) {
	dialect, err := s.Dialect(ctx)
	if err != nil {
		return nil, nil, err
	}
	db, err := s.DB(ctx)
	return db, dialect, err
}

// Close ends every connection. The Server connects again when it is used again.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialect = nil
	if s.db == nil {
		return nil
	}
	err := s.db.Close()
	s.db = nil
	if err != nil {
		return fmt.Errorf("close %s: %w", s.config.Name, err)
	}
	return nil
}

// Wrap adds what was done and the server's name to err, and a hint if the login or its
// privileges were refused; nil stays nil.
func (s *Server) Wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s on %s: %w", what, s.config.Name, err)
	switch query.ErrorNumber(err) {
	case 1045, 1698:
		return report.WithHint(err, "set databases[].%s.user and password_env to a login with administrative rights", s.config.Side)
	case 1044, 1142, 1143, 1227, 1370: // access denied to a schema, table, column, privilege, routine
		return report.WithHint(err, "grant the login %q what the server names; migrate plan has the whole statement (H30)", s.config.User)
	}
	return err
}
