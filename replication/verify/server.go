package verify

import (
	"context"
	"fmt"
	"slices"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/setting"
	"github.com/dcmigrate/migrate/replication/table"
)

// compareServers compares what belongs to the server and to no object of a schema: the
// options of schemas, what is installed, grants to PUBLIC, servers of CREATE SERVER, and the
// globals on which the meaning of statements depends. What only the other side has installed
// does no harm and does not count.
func (v *verifier) compareServers(ctx context.Context, schemas []string) error {
	for _, compare := range []func(context.Context, []string) error{v.compareSchemaOptions, v.compareInstalled, v.compareExtras, v.compareGlobals} {
		if err := compare(ctx, schemas); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) compareSchemaOptions(ctx context.Context, schemas []string) error {
	here, err := schema.CreateStatements(ctx, v.from)
	if err != nil {
		return err
	}
	there, err := schema.CreateStatements(ctx, v.to)
	if err != nil {
		return err
	}
	for _, name := range schemas {
		if there[name] != here[name] && there[name] != "" {
			v.addDifference(Difference{Object: "schema " + name, What: fmt.Sprintf("made otherwise on %s: %s, not %s", v.to.Name(), there[name], here[name])})
		} else if there[name] == "" && here[name] != "" {
			v.addDifference(Difference{Object: "schema " + name, What: "missing on " + v.to.Name()})
		}
	}
	return nil
}

func (v *verifier) compareInstalled(ctx context.Context, _ []string) error {
	var lists [2]map[string]string
	for i, s := range []*replication.Server{v.from, v.to} {
		var err error
		if lists[i], err = schema.Installed(ctx, s); err != nil {
			return err
		}
	}
	for title, definition := range lists[0] {
		if other, ok := lists[1][title]; !ok {
			v.addDifference(Difference{Object: title, What: "missing on " + v.to.Name()})
		} else if other != definition {
			v.addDifference(Difference{Object: title, What: "made otherwise on " + v.to.Name()})
		}
	}
	return nil
}

func (v *verifier) compareExtras(ctx context.Context, _ []string) error {
	here, err := account.ReadExtras(ctx, v.from)
	if err != nil {
		return err
	}
	there, err := account.ReadExtras(ctx, v.to)
	if err != nil {
		return err
	}
	find := func(list []account.Extra, title string) int {
		return slices.IndexFunc(list, func(e account.Extra) bool { return e.Title == title })
	}
	for _, e := range here {
		if i := find(there, e.Title); i < 0 {
			v.addDifference(Difference{Object: e.Title, What: "missing on " + v.to.Name()})
		} else if there[i].Create != e.Create {
			v.addDifference(Difference{Object: e.Title, What: "made otherwise on " + v.to.Name()})
		}
	}
	for _, e := range there {
		if find(here, e.Title) < 0 {
			v.addDifference(Difference{Object: e.Title, What: "only on " + v.to.Name()})
		}
	}
	return nil
}

// operational are globals of H17 that an administrator switches while a server runs. No row
// and no definition means something else with another value.
var operational = []string{"event_scheduler", "max_connections"}

// compareGlobals compares the globals of H17 while the source takes the writes. Afterwards
// the new server's are its own.
func (v *verifier) compareGlobals(ctx context.Context, _ []string) error {
	if v.opts.From != replication.Source {
		return nil
	}
	var values [2]map[string]string
	skipped := slices.Clone(operational)
	for i, s := range []*replication.Server{v.from, v.to} {
		db, d, err := s.Open(ctx)
		if err != nil {
			return err
		}
		if i == 0 {
			link, err := d.ReplicaStatus(ctx, db)
			if err != nil {
				return s.Wrap("ask for the link", err)
			}
			if link.Configured { // they are the link's, and not the source's own
				skipped = append(skipped, setting.LenientGlobals...)
			}
		}
		if values[i], err = setting.ComparedGlobals(ctx, db); err != nil {
			return s.Wrap("read the globals", err)
		}
	}
	for name, want := range values[0] {
		if have, ok := values[1][name]; ok && !slices.Contains(skipped, name) && !setting.GlobalSuffices(name, have, want) {
			v.addDifference(Difference{Object: "global " + name, What: fmt.Sprintf("is %q on %s, not %q (H17)", have, v.to.Name(), want)})
		}
	}
	return nil
}

// compareSequences compares where the sequences of a batch stand (MariaDB). The other side
// may be ahead, because the source's were read first; it must not be behind, or values would
// be given out again.
func (v *verifier) compareSequences(ctx context.Context, b schema.Batch) error {
	var sequences []table.Name
	for id, kind := range b.Kinds {
		if kind == schema.KindSequence {
			sequences = append(sequences, id)
		}
	}
	if len(sequences) == 0 {
		return nil
	}
	here, err := v.positions(ctx, v.from, sequences)
	if err != nil {
		return err
	}
	if _, _, err := v.awaitExecuted(ctx, v.opts.Wait); err != nil {
		return err
	}
	there, err := v.positions(ctx, v.to, sequences)
	if err != nil {
		return err
	}
	for _, id := range table.SortNames(sequences) {
		a, ok := here[id]
		b, also := there[id]
		if ok && also && b.behind(a) {
			v.addDifference(Difference{Object: "sequence " + id.Schema + "." + id.Name, What: fmt.Sprintf("goes on at %d on %s, not at %d", b.next, v.to.Name(), a.next)})
		}
	}
	return nil
}

// position is where a sequence stands.
type position struct{ next, cycles, increment int64 }

func (p position) behind(o position) bool {
	if p.cycles != o.cycles {
		return p.cycles < o.cycles
	}
	if o.increment < 0 {
		return p.next > o.next
	}
	return p.next < o.next
}

// positions reads where sequences stand; those that are missing are left out.
func (v *verifier) positions(ctx context.Context, s *replication.Server, sequences []table.Name) (map[table.Name]position, error) {
	db, err := s.DB(ctx)
	if err != nil {
		return nil, err
	}
	out := map[table.Name]position{}
	for _, id := range sequences {
		r, ok, err := query.One(ctx, db, "SELECT next_not_cached_value AS next, cycle_count AS cycles, increment AS step FROM "+query.QuoteTable(id.Schema, id.Name))
		if isAbsent(err) {
			continue
		}
		if err != nil || !ok {
			return nil, s.Wrap("read the sequence "+id.Schema+"."+id.Name, err)
		}
		out[id] = position{query.Number(r["next"]), query.Number(r["cycles"]), query.Number(r["step"])}
	}
	return out, nil
}
