package seed

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

func TestSeedCopiesEveryTypeExactly(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		pair, source, target := replicationtest.Start(t, flavor)
		replicationtest.MakeTypeTables(t, flavor, source)
		parameters := StepWith(pair, Options{prepareFrom: 1})
		require.NoError(t, parameters.Op.Apply(t.Context()))
		replicationtest.RequireSameRows(t, "types", source, target)
		replicationtest.WhileFenced(target, func() { require.NoError(t, parameters.Op.Undo(t.Context(), json.RawMessage(`{}`))) })
		require.NoError(t, Step(pair).Op.Apply(t.Context()))
		replicationtest.RequireSameRows(t, "types", source, target)
		require.Equal(t, "0,1,2,3,4,5,6", target.Value("SELECT GROUP_CONCAT(id - 1 ORDER BY id) FROM types.texts"))
		target.Exec("INSERT INTO types.counter (t) VALUES ('next')")
		require.Equal(t, "1000", target.Value("SELECT MAX(id) FROM types.counter"), "AUTO_INCREMENT goes on where the source is")
		if flavor == servertest.MariaDB {
			source.Exec("DO NEXT VALUE FOR types.seq")
			require.GreaterOrEqual(t, target.Value("SELECT NEXT VALUE FOR types.seq"), source.Value("SELECT LASTVAL(types.seq)"))
		}
	})
}
