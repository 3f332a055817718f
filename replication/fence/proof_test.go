package fence

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

func TestProofFindsAFenceThatLeaks(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		p := replicationtest.StartApp(t, flavor)
		p.SourceInstance.Exec(replication.CreateOwnSchema)
		require.ErrorContains(t, proveFence(t.Context(), p.Source), "was let in")
	})
}
