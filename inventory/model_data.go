package inventory

// MySQL is a MySQL or MariaDB server. What could not be read of it is in Host.Missing.
type MySQL struct {
	Socket    string            `json:"socket"`
	Version   string            `json:"version"`
	Variables map[string]string `json:"variables,omitempty"` // the global variables that every move depends on
	// Settings lists the settings that differ from the server's own default, and
	// where they were set. Secret values are redacted.
	Settings  []Setting  `json:"settings,omitempty"`
	Schemas   []Schema   `json:"schemas,omitempty"` // all but the system's
	Users     []User     `json:"users,omitempty"`
	Grants    []Grant    `json:"grants,omitempty"`
	Replicas  []Upstream `json:"replicates_from,omitempty"`
	Clients   []string   `json:"replicas,omitempty"` // hosts that replicate from it
	FreeSpace int64      `json:"free_space_bytes"`   // for the data directory, rounded down to SpaceUnit
}

// Setting is a setting of a database server.
type Setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source,omitempty"` // "CONFIG", "COMMAND-LINE", "/etc/postgresql/…"
}

// Schema is a database of the server.
type Schema struct {
	Name    string   `json:"name"`
	Tables  int      `json:"tables"`
	Size    int64    `json:"size_bytes"` // data and indexes, as the engine estimates
	Engines []string `json:"engines,omitempty"`
}

// User names an account of the server.
type User struct {
	User string `json:"user"`
	Host string `json:"host"`
}

// Grant is a privilege of an account, without its password.
type Grant struct {
	Account   string `json:"account"` // 'user'@'host'
	Statement string `json:"statement"`
}

// Upstream is a server that this one replicates from.
type Upstream struct {
	Name    string `json:"name,omitempty"` // of the connection or channel
	Host    string `json:"host"`
	Port    int    `json:"port"`
	User    string `json:"user,omitempty"`
	Running bool   `json:"running"`
	GTID    bool   `json:"gtid"`
}

// DataSize returns the size of all schemas in bytes, as the engines estimate it.
func (m *MySQL) DataSize() int64 {
	var sum int64
	for _, s := range m.Schemas {
		sum += s.Size
	}
	return sum
}

// Redis is a Redis or Valkey server.
type Redis struct {
	Address  string    `json:"address"` // host:port, or the path of a socket
	Version  string    `json:"version"`
	Role     string    `json:"role"` // master, slave
	Upstream string    `json:"replicates_from,omitempty"`
	Replicas int       `json:"replicas,omitempty"`
	Settings []Setting `json:"settings,omitempty"` // those that differ from the server's default
	// Memory is the size of the data in memory, rounded up to SpaceUnit.
	Memory int64    `json:"memory_bytes,omitempty"`
	Keys   []string `json:"databases,omitempty"` // numbers of those that hold keys
}

// PostgreSQL is a PostgreSQL cluster: one server with its databases.
type PostgreSQL struct {
	Port      int          `json:"port"`
	Version   string       `json:"version"`
	Settings  []Setting    `json:"settings,omitempty"`
	Databases []PGDatabase `json:"databases,omitempty"`
	Roles     []PGRole     `json:"roles,omitempty"`
	// Standby is true if the server replicates from another.
	Standby  bool     `json:"standby,omitempty"`
	Replicas []string `json:"replicas,omitempty"` // addresses that replicate from it
}

// PGDatabase is a database of a cluster.
type PGDatabase struct {
	Name     string `json:"name"`
	Owner    string `json:"owner"`
	Encoding string `json:"encoding"`
	Size     int64  `json:"size_bytes"` // rounded up to SpaceUnit
}

// PGRole is a role of a cluster.
type PGRole struct {
	Name   string   `json:"name"`
	Rights []string `json:"rights,omitempty"` // login, superuser, replication, …
	Groups []string `json:"member_of,omitempty"`
}
