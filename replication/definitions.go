package replication

import (
	"context"
	"crypto/sha256"
	"strings"

	"golang.org/x/sync/errgroup"
)

// compareObjects compares the definitions of schemas: tables, views,
// programs, triggers and events; whether an event is on is not compared,
// because it is off on the passive side.
func (v *verifier) compareObjects(ctx context.Context, schemas []string) error {
	type hash [sha256.Size]byte
	read := func(s *Server) (map[string]hash, error) {
		out := map[string]hash{}
		err := readObjects(ctx, s, schemas, anyKind, func(o object) error {
			if v.asked(o.Schema + "." + o.Name) {
				out[o.title()] = sha256.Sum256([]byte(v.definition(o)))
			}
			return nil
		})
		return out, err
	}
	var here, there map[string]hash
	var group errgroup.Group
	group.Go(func() (err error) { here, err = read(v.from); return err })
	group.Go(func() (err error) { there, err = read(v.to); return err })
	if err := group.Wait(); err != nil {
		return err
	}
	v.count(func(r *VerifyReport) { r.Objects += int64(len(here)) })
	for title, definition := range here {
		other, ok := there[title]
		switch {
		case !ok:
			v.differ(Difference{Object: title, What: "missing on " + v.to.Name()})
		case definition != other:
			v.differ(Difference{Object: title, What: "defined otherwise on " + v.to.Name()})
		}
	}
	for title := range there {
		if _, ok := here[title]; !ok {
			v.differ(Difference{Object: title, What: "only on " + v.to.Name()})
		}
	}
	return nil
}

// definition is an object's text for comparing. Servers of other versions print
// tables and views in another style; there only their presence is compared, and
// their columns by the hashes of their rows.
func (v *verifier) definition(o object) string {
	sameStyle := v.dialect.Version.Major == v.other.Version.Major && v.dialect.Version.Minor == v.other.Version.Minor
	if !sameStyle && (o.isData() || o.Kind == kindView) {
		return ""
	}
	return o.definition()
}

// compareAccounts compares the application's users, roles and grants, in memory.
func (v *verifier) compareAccounts(ctx context.Context) error {
	here, err := readAccounts(ctx, v.from)
	if err != nil {
		return err
	}
	there, err := readAccounts(ctx, v.to)
	if err != nil {
		return err
	}
	v.count(func(r *VerifyReport) { r.Accounts += int64(len(here)) })
	rest := map[string]appUser{}
	for _, a := range there {
		rest[a.name()] = a
	}
	for _, a := range here {
		other, ok := rest[a.name()]
		delete(rest, a.name())
		var what []string
		switch {
		case !ok:
			what = []string{"missing on " + v.to.Name()}
		default:
			what = a.differences(other)
		}
		if len(what) > 0 {
			v.differ(Difference{Object: "account " + a.name(), What: strings.Join(what, ", ")})
		}
	}
	for name := range rest {
		v.differ(Difference{Object: "account " + name, What: "only on " + v.to.Name()})
	}
	return nil
}
