package setting

import (
	"context"
	"strings"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/query"
)

// optionName is the name of a variable in an option file.
func optionName(variable string) string {
	switch variable {
	case "time_zone":
		return "default_time_zone"
	case "tx_isolation":
		return "transaction_isolation"
	}
	return variable
}

// optionValue is the value of a variable in an option file, quoted if it must be.
func optionValue(value string) string {
	if value == "" || strings.ContainsAny(value, " #'\"\\\t") {
		return QuoteOption(value)
	}
	return value
}

// QuoteOption quotes a value for an option file of a server or a client.
func QuoteOption(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text) + `"`
}

// PidFile returns the path of the file with the server's process id.
func PidFile(ctx context.Context, s *replication.Server) (string, error) {
	db, err := s.DB(ctx)
	if err != nil {
		return "", err
	}
	v, err := query.Variables(ctx, db, "pid_file", "datadir")
	if err != nil {
		return "", s.Wrap("read pid_file", err)
	}
	if strings.HasPrefix(v["pid_file"], "/") {
		return v["pid_file"], nil
	}
	return strings.TrimSuffix(v["datadir"], "/") + "/" + v["pid_file"], nil
}
