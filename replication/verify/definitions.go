package verify

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/wire"
)

// compareDefinitions compares all that is not rows. It mostly waits for
// answers, so it goes beside the rows, a few schemas at a time.
func (v *verifier) compareDefinitions(ctx context.Context, waves *schema.Batches) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(definitionReaders)
	for schemas, large := range waves.Groups(schemasAtATime) {
		if !large {
			group.Go(func() error { return v.compareObjects(ctx, schemas, schema.AnyKind) })
			continue
		}
		group.Go(func() error { return v.compareObjects(ctx, schemas, schema.IsProgram) })
		group.Go(func() error { return v.compareCrowd(ctx, schemas[0]) })
	}
	if len(v.opts.Tables) == 0 {
		group.Go(func() error { return v.compareAccounts(ctx) })
	}
	return group.Wait()
}

const (
	schemasAtATime    = 50 // whose definitions are read by one connection
	definitionReaders = 4  // of those connections
)

// defined is the hashes of definitions, by the objects' titles.
type defined map[string][sha256.Size]byte

// compareObjects compares the definitions of schemas: tables, views,
// programs, triggers and events; whether an event is on is not compared,
// because it is off on the passive side.
func (v *verifier) compareObjects(ctx context.Context, schemas []string, wanted func(kind string) bool) error {
	var here, there defined
	var group errgroup.Group
	read := func(s *replication.Server, into *defined) func() error {
		*into = defined{}
		return func() error {
			return schema.ReadObjects(ctx, s, schemas, wanted, schema.PageBatches*v.wave, v.hashInto(*into))
		}
	}
	group.Go(read(v.from, &here))
	group.Go(read(v.to, &there))
	if err := group.Wait(); err != nil {
		return err
	}
	v.compareDefined(here, there)
	return nil
}

// hashInto takes in what is to be compared.
func (v *verifier) hashInto(out defined) func(schema.Object) error {
	return func(o schema.Object) error {
		if v.asked(o.Schema + "." + o.Name) {
			out[o.Title()] = sha256.Sum256([]byte(v.definition(o)))
		}
		return nil
	}
}

// compareCrowd compares the tables of a schema that has very many, by parts: each
// ends where the first of both sides' lists does.
func (v *verifier) compareCrowd(ctx context.Context, schema string) error {
	here, err := wire.OpenForQuestions(ctx, v.from)
	if err != nil {
		return err
	}
	defer here.Close()
	there, err := wire.OpenForQuestions(ctx, v.to)
	if err != nil {
		return err
	}
	defer there.Close()
	for from, more := "", true; more; {
		if from, err = v.compareCrowdFrom(ctx, here, there, schema, from); err != nil {
			return err
		}
		more = from != ""
	}
	return nil
}

// compareCrowdFrom compares the tables from a name on, and returns the next name.
func (v *verifier) compareCrowdFrom(ctx context.Context, here, there *wire.Conn, name, from string) (next string, err error) {
	sides := []*struct {
		wire   *wire.Conn
		tables []schema.Object
		next   string
		found  defined
	}{{wire: here, found: defined{}}, {wire: there, found: defined{}}}
	var group errgroup.Group
	for _, s := range sides {
		group.Go(func() (err error) {
			s.tables, s.next, err = schema.ListTables(ctx, s.wire, name, from, schema.PageBatches*v.wave)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return "", err
	}
	for _, s := range sides {
		if s.next != "" && (next == "" || s.next < next) {
			next = s.next
		}
	}
	for _, s := range sides {
		within := slices.DeleteFunc(s.tables, func(o schema.Object) bool { return next != "" && o.Name >= next })
		group.Go(func() error { return schema.ReadTexts(ctx, s.wire, within, v.hashInto(s.found)) })
	}
	if err := group.Wait(); err != nil {
		return "", err
	}
	v.compareDefined(sides[0].found, sides[1].found)
	return next, nil
}

func (v *verifier) compareDefined(here, there defined) {
	v.count(func(r *Report) { r.Objects += int64(len(here)) })
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
}

// definition is an object's text for comparing. Where the servers print tables and
// views in two styles, only their presence is compared, and their columns by the
// hashes of their rows.
func (v *verifier) definition(o schema.Object) string {
	if !v.dialect.SameStyle(v.other) && (o.IsData() || o.Kind == schema.KindView) {
		return ""
	}
	return o.Definition()
}

// compareAccounts compares the application's users, roles and grants, in memory.
func (v *verifier) compareAccounts(ctx context.Context) error {
	here, err := account.Read(ctx, v.from)
	if err != nil {
		return err
	}
	there, err := account.Read(ctx, v.to)
	if err != nil {
		return err
	}
	v.count(func(r *Report) { r.Accounts += int64(len(here)) })
	rest := map[string]account.User{}
	for _, a := range there {
		rest[a.Name()] = a
	}
	for _, a := range here {
		other, ok := rest[a.Name()]
		delete(rest, a.Name())
		var what []string
		switch {
		case !ok:
			what = []string{"missing on " + v.to.Name()}
		default:
			what = a.Differences(other)
		}
		if len(what) > 0 {
			v.differ(Difference{Object: "account " + a.Name(), What: strings.Join(what, ", ")})
		}
	}
	for name := range rest {
		v.differ(Difference{Object: "account " + name, What: "only on " + v.to.Name()})
	}
	return nil
}
