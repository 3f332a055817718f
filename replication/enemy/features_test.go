package enemy

import (
	"regexp"
	"slices"

	"github.com/dcmigrate/migrate/replication/servertest"
)

// feature is something that a round may do.
type feature string

// The features. chance is how many rounds of a hundred have one.
const (
	chains       feature = "foreign keys over three levels and more"
	selfRef      feature = "self references"
	keylessKids  feature = "children without a key"
	ddl          feature = "DDL"
	spellings    feature = "DDL in all spellings of the flavor"
	ddlOfParents feature = "ALTER of parents and children"
	schemaDDL    feature = "schemas that come and go"
	xa           feature = "XA"
	xaBefore     feature = "XA prepared before the seed"
	xaLeft       feature = "XA that is left prepared"
	xaFiles      feature = "XA beside a seed by files"
	nullableKeys feature = "unique keys that may be NULL"
	xaSwitch     feature = "XA across a switch"
	rowImages    feature = "sessions with other row images"
	charsets     feature = "sessions with other character sets"
	noChecks     feature = "sessions without foreign_key_checks"
	events       feature = "events"
	triggers     feature = "triggers"
	temporary    feature = "temporary tables"
	bursts       feature = "bursts"
	loads        feature = "LOAD DATA"
	sequences    feature = "sequences"
	partitions   feature = "partitions"
	generated    feature = "generated columns"
	checks       feature = "CHECK constraints"
	brokenChecks feature = "rows that break a CHECK"
	jsonTypes    feature = "JSON of types that its text does not have"
	collations   feature = "schemas with a collation of their own"
	lenient      feature = "tables that a strict InnoDB does not make"
	hiddenKeys   feature = "generated invisible primary keys"
	drawn        feature = "tables of replicationtest.DrawTable"
	oddNames     feature = "odd names"
	byFiles      feature = "a seed by the server's files"
	statements   feature = "a session that logs statements"
	killSeed     feature = "the seed is ended"
	killLogins   feature = "connections are killed"
	killServers  feature = "a server is killed"
	quietEnd     feature = "the seed ends while nobody writes"
	lateCommits  feature = "commits that are logged and not visible"
	switches     feature = "a cutover and a rollback"
	heldCopy     feature = "definitions while a copy is held"
)

// features are the features with their chance of 100. One with a fault is off: no round has
// it until the fault is repaired.
var features = []struct {
	name   feature
	chance int
	flavor servertest.Flavor // "" is both
	always bool              // also rounds that do little have it
	off    string            // the fault that it finds
}{
	{name: chains, chance: 80, always: true},
	{name: selfRef, chance: 40},
	{name: keylessKids, chance: 40},
	{name: ddl, chance: 70, always: true},
	{name: spellings, chance: 80, always: true},
	{name: ddlOfParents, chance: 40},
	{name: schemaDDL, chance: 10},
	{name: xa, chance: 40},
	{name: xaBefore, chance: 30},
	{name: xaLeft, chance: 8},
	{name: xaSwitch, chance: 50},
	{name: rowImages, chance: 60},
	{name: charsets, chance: 50},
	{name: noChecks, chance: 30},
	{name: events, chance: 30},
	{name: triggers, chance: 50},
	{name: temporary, chance: 40},
	{name: bursts, chance: 60, always: true},
	{name: loads, chance: 50},
	{name: sequences, chance: 50, flavor: servertest.MariaDB},
	{name: partitions, chance: 40},
	{name: generated, chance: 50},
	{name: checks, chance: 40},
	{name: brokenChecks, chance: 40, flavor: servertest.MariaDB},
	{name: jsonTypes, chance: 50, flavor: servertest.MySQL},
	{name: collations, chance: 40},
	{name: lenient, chance: 20},
	{name: hiddenKeys, chance: 30, flavor: servertest.MySQL},
	{name: drawn, chance: 50},
	{name: oddNames, chance: 50},
	{name: byFiles, chance: 12, always: true},
	{name: statements, chance: 6},
	{name: killSeed, chance: 30},
	{name: killLogins, chance: 30},
	{name: killServers, chance: 12},
	{name: quietEnd, chance: 50, always: true},
	{name: lateCommits, chance: 50, flavor: servertest.MariaDB, always: true},
	{name: switches, chance: 60, always: true},
	{name: heldCopy, chance: 60, always: true},
	{name: xaFiles, chance: 100, always: true},
	{name: nullableKeys, chance: 100, always: true},
}

// refusals are the legitimate refusals: what migrate says, the feature that it is an answer
// to, and what the enemy does about it.
var refusals = []struct {
	name   string
	text   *regexp.Regexp
	needs  feature
	remedy func(*round)
}{
	{"statements in the log", regexp.MustCompile(`holds a statement in place of rows`), statements, (*round).endStatementSession},
	{"tables that change at each try", regexp.MustCompile(`freeze schema changes|tables were changed, made or dropped`), ddl, (*round).freezeDDL},
	{"schemas that change at each try", regexp.MustCompile(`do not make or drop schemas`), schemaDDL, (*round).freezeDDL},
	{"prepared transactions", regexp.MustCompile(`(?i)prepared`), xa, (*round).finishPrepared},
	{"statements that wait for prepared transactions", regexp.MustCompile(`look for long statements`), xa, (*round).finishPrepared},
	{"prepared transactions", regexp.MustCompile(`(?i)prepared`), xaBefore, (*round).finishPrepared},
	{"prepared transactions", regexp.MustCompile(`(?i)prepared`), xaLeft, (*round).finishPrepared},
}

// drawFeatures draws what the round does. Some rounds do little: what one feature makes a
// seed do may hide what another one does.
func (r *round) drawFeatures() {
	density := []int{15, 40, 70, 100}[r.random.IntN(4)]
	for _, f := range features {
		chance := f.chance
		if !f.always {
			chance = chance * density / 100
		}
		// The number is drawn in any case, so that a feature that is turned on changes nothing else.
		if r.random.IntN(100) < chance && f.off == "" && (f.flavor == "" || f.flavor == r.flavor) {
			r.features = append(r.features, f.name)
		}
	}
	if !r.does(xaFiles) && (r.does(xa) || r.does(xaBefore) || r.does(xaLeft)) {
		r.features = slices.DeleteFunc(r.features, func(f feature) bool { return f == byFiles })
	}
}

func (r *round) does(f feature) bool { return slices.Contains(r.features, f) }
