package verify

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/account"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/replication/schema"
	"github.com/dcmigrate/migrate/replication/wire"
)

// compareDefinitions compares definitions and accounts. It mostly waits for answers, so
// it runs beside the comparison of rows, a few schemas at a time.
func (v *verifier) compareDefinitions(ctx context.Context, batches *schema.Batches) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(definitionReaders)
	for schemas, large := range batches.Groups(schemasAtATime) {
		if !large {
			group.Go(func() error { return v.compareObjects(ctx, schemas, schema.AnyKind) })
			continue
		}
		group.Go(func() error { return v.compareObjects(ctx, schemas, schema.IsProgram) })
		group.Go(func() error { return v.compareLargeSchema(ctx, schemas[0]) })
	}
	if len(v.opts.Tables) == 0 {
		group.Go(func() error { return v.compareAccounts(ctx) })
	}
	return group.Wait()
}

const (
	schemasAtATime    = 50 // schemas whose definitions one connection reads
	definitionReaders = 4  // such connections at a time
)

// definitionHashes are the hashes of definitions, by the objects without their texts.
type definitionHashes map[schema.Object][sha256.Size]byte

// compareObjects compares the definitions of schemas: tables, views, programs,
// triggers and events. It does not compare whether an event is on: events are off on
// the passive side.
func (v *verifier) compareObjects(ctx context.Context, schemas []string, wanted func(kind string) bool) error {
	var here, there definitionHashes
	var group errgroup.Group
	read := func(s *replication.Server, into *definitionHashes) func() error {
		*into = definitionHashes{}
		return func() error {
			return schema.ReadObjects(ctx, s, schemas, wanted, schema.PageBatches*v.batchTables, v.collectInto(*into))
		}
	}
	group.Go(read(v.from, &here))
	group.Go(read(v.to, &there))
	if err := group.Wait(); err != nil {
		return err
	}
	return v.compareHashes(ctx, here, there)
}

// collectInto adds the hashes of the selected objects to out.
func (v *verifier) collectInto(out definitionHashes) func(schema.Object) error {
	return func(o schema.Object) error {
		if v.isSelected(o.Schema + "." + o.Name) {
			out[schema.Object{Kind: o.Kind, Schema: o.Schema, Name: o.Name}] = sha256.Sum256([]byte(v.definition(o)))
		}
		return nil
	}
}

// compareLargeSchema compares the definitions of a schema's many tables page by page.
func (v *verifier) compareLargeSchema(ctx context.Context, schema string) error {
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
		if from, err = v.compareTablePage(ctx, here, there, schema, from); err != nil {
			return err
		}
		more = from != ""
	}
	return nil
}

// compareTablePage compares the tables whose names are at least from. A page ends at the
// lower of the names where the two sides' lists end; next is the name after it, "" at
// the end.
func (v *verifier) compareTablePage(ctx context.Context, here, there *wire.Conn, name, from string) (next string, err error) {
	sides := []*struct {
		conn   *wire.Conn
		tables []schema.Object
		next   string
		found  definitionHashes
	}{{conn: here, found: definitionHashes{}}, {conn: there, found: definitionHashes{}}}
	var group errgroup.Group
	for _, s := range sides {
		group.Go(func() (err error) {
			s.tables, s.next, err = schema.ListTables(ctx, s.conn, name, from, schema.PageBatches*v.batchTables)
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
		group.Go(func() error { return schema.ReadTexts(ctx, s.conn, within, v.collectInto(s.found)) })
	}
	if err := group.Wait(); err != nil {
		return "", err
	}
	return next, v.compareHashes(ctx, sides[0].found, sides[1].found)
}

// compareHashes compares the objects whose definitions differ, or that one side lacks, once
// more and closely.
func (v *verifier) compareHashes(ctx context.Context, here, there definitionHashes) error {
	v.update(func(r *Report) { r.Objects += int64(len(here)) })
	var differ []schema.Object
	for o, definition := range here {
		if other, ok := there[o]; !ok || definition != other || !v.fromDialect.SameStyle(v.toDialect) && v.describes(o) {
			differ = append(differ, o)
		}
	}
	for o := range there {
		if _, ok := here[o]; !ok {
			differ = append(differ, o)
		}
	}
	if len(differ) == 0 {
		return nil
	}
	if v.fromDialect.SameStyle(v.toDialect) { // what is in flight arrives
		if _, _, err := v.awaitExecuted(ctx, v.opts.Wait); err != nil {
			return err
		}
	}
	for _, o := range differ {
		if err := v.compareClosely(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// describes reports whether the catalogues describe the object. The columns of a view are
// described, too, but its text is printed in the style of the server's version.
func (v *verifier) describes(o schema.Object) bool { return o.Kind == schema.KindTable }

// compareClosely compares one object on both sides, and says in the report what differs.
func (v *verifier) compareClosely(ctx context.Context, o schema.Object) error {
	here, err := v.inspect(ctx, v.from, o)
	if err != nil {
		return err
	}
	there, err := v.inspect(ctx, v.to, o)
	if err != nil {
		return err
	}
	what := ""
	switch differences := here.description.Differences(there.description); {
	case !here.found && !there.found:
	case !there.found:
		left, err := v.leftOut(ctx, o)
		if err != nil || left {
			return err
		}
		what = "missing on " + v.to.Name()
	case !here.found:
		what = "only on " + v.to.Name()
	case len(differences) > 0:
		what = "defined otherwise on " + v.to.Name() + ": " + phrase.FirstOf(3, differences)
	case v.definition(here.object) != v.definition(there.object):
		what = "defined otherwise on " + v.to.Name() + ": " + here.object.Difference(there.object)
	}
	if what != "" {
		v.addDifference(Difference{Object: o.Title(), What: what})
	}
	return nil
}

// leftOut reports whether the seed leaves the object out, and says so in the report.
func (v *verifier) leftOut(ctx context.Context, o schema.Object) (bool, error) {
	from, err := v.from.DB(ctx)
	if err != nil {
		return false, err
	}
	why, err := schema.LeftOut(ctx, from, o)
	if err != nil || why == "" {
		return false, v.from.Wrap("compare "+o.Title(), err)
	}
	v.update(func(r *Report) { r.LeftOut = append(r.LeftOut, o.Title()+": "+why) })
	return true, nil
}

// inspected is an object as one server has it.
type inspected struct {
	found       bool
	object      schema.Object
	description schema.Description
}

func (v *verifier) inspect(ctx context.Context, s *replication.Server, o schema.Object) (i inspected, err error) {
	d, err := s.Dialect(ctx)
	if err != nil {
		return i, err
	}
	session, err := s.Session(ctx, d.ExactTexts())
	if err != nil {
		return i, err
	}
	defer session.Close()
	i.object, err = schema.ReadObject(ctx, session, o.Kind, o.Schema, o.Name)
	if o.IsDropped(err) {
		return i, nil
	}
	if err != nil && o.Kind == schema.KindView { // the error may be about a table that the view uses
		n, failed := query.Text(ctx, session, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?", o.Schema, o.Name)
		if failed == nil && n == "0" {
			return i, nil
		}
	}
	if err != nil {
		return i, s.Wrap("compare", err)
	}
	i.found = true
	if v.describes(o) {
		i.description, err = schema.Describe(ctx, session, d, o)
	}
	return i, s.Wrap("compare", err)
}

// definition is an object's text for comparing. Where the servers print tables and views
// in two styles, tables are compared by what the catalogues say, and of views only the
// presence.
func (v *verifier) definition(o schema.Object) string {
	if !v.fromDialect.SameStyle(v.toDialect) && (o.IsData() || o.Kind == schema.KindView) {
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
	v.update(func(r *Report) { r.Accounts += int64(len(here)) })
	rest := map[string]account.User{}
	for _, a := range there {
		rest[a.Name()] = a
	}
	for _, a := range here {
		for _, void := range a.Void {
			v.update(func(r *Report) { r.LeftOut = append(r.LeftOut, "account "+a.Name()+": "+void) })
		}
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
			v.addDifference(Difference{Object: "account " + a.Name(), What: strings.Join(what, ", ")})
		}
	}
	for name := range rest {
		v.addDifference(Difference{Object: "account " + name, What: "only on " + v.to.Name()})
	}
	return nil
}
