package replication

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dcmigrate/migrate/replication/dialect"
)

const (
	uuidA = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	uuidB = "4f22fa47-71ca-11e1-9e33-c80aa9429562"
)

func parseSet(t require.TestingT, flavor dialect.Flavor, text string) GTIDSet {
	set, err := ParseGTIDSet(flavor, text)
	require.NoError(t, err)
	return set
}

func TestGTIDSetPrintsCanonically(t *testing.T) {
	for _, tt := range []struct {
		flavor     dialect.Flavor
		text, want string
	}{
		{dialect.MySQL, "", ""},
		{dialect.MySQL, strings.ToUpper(uuidA) + ":1-5:6-7:11", uuidA + ":1-7:11"},
		{dialect.MySQL, uuidB + ":3,\n" + uuidA + ":5:1-4", uuidA + ":1-5," + uuidB + ":3"},
		{dialect.MySQL, uuidA + ":1-3:Tag:1-2:4", uuidA + ":1-3," + uuidA + ":tag:1-2:4"},
		{dialect.MariaDB, "1-11-5,0-10-7", "0-10-7,1-11-5"},
		{dialect.MariaDB, "0-10-7,0-11-9,0-10-8", "0-11-9"},
	} {
		set := parseSet(t, tt.flavor, tt.text)
		require.Equal(t, tt.want, set.String())
		require.True(t, set.Equal(parseSet(t, tt.flavor, set.String())))
	}
}

func TestGTIDSetRefusesNonsense(t *testing.T) {
	for _, text := range []string{"x", uuidA, uuidA + ":", uuidA + ":0", uuidA + ":5-3", uuidA + ":tag", "zz:1"} {
		_, err := ParseGTIDSet(dialect.MySQL, text)
		require.Error(t, err, text)
	}
	for _, text := range []string{"1", "1-2", "a-1-1", "1-1--1", "4294967296-1-1"} {
		_, err := ParseGTIDSet(dialect.MariaDB, text)
		require.Error(t, err, text)
	}
}

func TestGTIDSetOfMariaDBIsAPosition(t *testing.T) {
	ahead, behind := parseSet(t, dialect.MariaDB, "0-1-10,1-2-5"), parseSet(t, dialect.MariaDB, "0-3-8")
	require.True(t, ahead.Contains(behind))
	require.False(t, behind.Contains(ahead))
	require.Equal(t, int64(7), ahead.Ahead(behind))
	require.Equal(t, "0-1-10", ahead.Without(1).String())
	require.Equal(t, []uint32{0, 1}, ahead.Domains())
	require.Equal(t, "0-1-10,1-2-5", behind.Union(ahead).String())
	require.True(t, ahead.Contains(GTIDSet{}))
	require.Equal(t, "0-3-8", ahead.Intersect(behind).String())
	transactions := []GTID{
		{Origin: "0-1-", Domain: 0, Server: 1, Sequence: 7},
		{Origin: "0-1-", Domain: 0, Server: 1, Sequence: 8},
		{Origin: "0-1-", Domain: 0, Server: 1, Sequence: 9},
		{Origin: "1-2-", Domain: 1, Server: 2, Sequence: 4},
	}
	require.True(t, behind.Has(transactions[1]))
	require.False(t, behind.Has(transactions[2]))
	require.False(t, behind.Has(transactions[3]), "of a domain that it does not have")
	require.Equal(t, "0-1-8", behind.Select(transactions).String())
	require.Equal(t, "0-1-9,1-2-4", ahead.Select(transactions).String())
}

// TestGTIDSetAgreesWithASetOfNumbers compares with the plainest model there is.
func TestGTIDSetAgreesWithASetOfNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfN(rapid.Int64Range(1, 30), 0, 20)
		model := func(label string) (map[int64]bool, GTIDSet) {
			m, text := map[int64]bool{}, []string{}
			for _, n := range numbers.Draw(t, label) {
				m[n] = true
				text = append(text, fmt.Sprintf("%s:%d", uuidA, n))
			}
			return m, parseSet(t, dialect.MySQL, strings.Join(text, ","))
		}
		a, setA := model("a")
		b, setB := model("b")
		missing, union := 0, len(b)
		var transactions []GTID
		for n := range a {
			g := GTID{Origin: uuidA + ":", Sequence: uint64(n)}
			transactions = append(transactions, g)
			require.Equal(t, b[n], setB.Has(g))
			if !b[n] {
				missing++
				union++
			}
		}
		require.Equal(t, int64(missing), setA.Ahead(setB))
		require.Equal(t, int64(missing), setA.Minus(setB).Ahead(GTIDSet{}))
		require.Equal(t, missing == 0, setB.Contains(setA))
		require.Equal(t, int64(union), setA.Union(setB).Ahead(GTIDSet{}))
		require.True(t, setA.Union(setB).Contains(setA))
		require.Equal(t, int64(len(a)-missing), setA.Intersect(setB).Ahead(GTIDSet{}))
		require.Equal(t, setA.Intersect(setB).String(), setB.Select(transactions).String())
	})
}

func FuzzParseGTIDSet(f *testing.F) {
	f.Add(true, "0-1-10,1-2-5")
	f.Add(false, uuidA+":1-3:tag:4")
	f.Fuzz(func(t *testing.T, maria bool, text string) {
		flavor := dialect.MySQL
		if maria {
			flavor = dialect.MariaDB
		}
		set, err := ParseGTIDSet(flavor, text)
		if err != nil {
			return
		}
		again := parseSet(t, flavor, set.String())
		require.Equal(t, set.String(), again.String())
		require.True(t, set.Contains(again) && again.Contains(set))
	})
}
