package capture

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dcmigrate/migrate/inventory"
)

// postgresql reads the port and the rows of each cluster. The first column of a row
// names its kind.
func (p *parser) postgresql(text string) error {
	for part := range strings.SplitSeq("\n"+text, "\nserver ") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		l := lines(part)
		port, err := strconv.Atoi(l[0])
		if err != nil {
			return fmt.Errorf("%.60q is no port", l[0])
		}
		pg := inventory.PostgreSQL{Port: port}
		for _, line := range l[1:] {
			if err := p.pgRow(&pg, strings.Split(line, "|"), line); err != nil {
				return err
			}
		}
		p.host.PostgreSQL = append(p.host.PostgreSQL, pg)
	}
	slices.SortFunc(p.host.PostgreSQL, func(a, b inventory.PostgreSQL) int { return cmp.Compare(a.Port, b.Port) })
	return nil
}

func (p *parser) pgRow(pg *inventory.PostgreSQL, f []string, line string) error {
	switch {
	case f[0] == "version" && len(f) == 3:
		pg.Version, pg.Standby = f[1], f[2] == "t"
	case f[0] == "setting" && len(f) >= 4:
		s := inventory.Setting{Name: f[1], Value: strings.Join(f[2:len(f)-1], "|"), Source: f[len(f)-1]}
		pg.Settings = append(pg.Settings, p.setting("postgresql", s))
	case f[0] == "database" && len(f) == 5:
		size, err := strconv.ParseInt(f[4], 10, 64)
		if err != nil {
			return fmt.Errorf("read size of database %s: %w", f[1], err)
		}
		pg.Databases = append(pg.Databases, inventory.PGDatabase{Name: f[1], Owner: f[2], Encoding: f[3], Size: roundUp(size)})
	case f[0] == "role" && len(f) == 8:
		r := inventory.PGRole{Name: f[1]}
		for i, right := range []string{"login", "superuser", "replication", "createdb", "createrole"} {
			if f[2+i] == "t" {
				r.Rights = append(r.Rights, right)
			}
		}
		if f[7] != "" {
			r.Groups = strings.Split(f[7], ",")
		}
		if slices.Contains(r.Rights, "login") {
			p.host.Secrets = append(p.host.Secrets, inventory.Secret{Path: "postgresql", Kind: "password", Key: r.Name})
		}
		pg.Roles = append(pg.Roles, r)
	case f[0] == "replica" && len(f) == 2:
		pg.Replicas = append(pg.Replicas, f[1])
	default:
		m := section{status: 1, err: []byte(line)}.missing("postgresql " + strconv.Itoa(pg.Port))
		p.addMissing(*m)
	}
	return nil
}
