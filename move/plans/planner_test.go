package plans

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/move/movetest"
	"github.com/dcmigrate/migrate/move/way"
	"github.com/dcmigrate/migrate/move/wiring"
)

// Neither vendor's token is set, and no zone is read.
func TestTakingBackBeforeTheHandoverAsksNoVendor(t *testing.T) {
	for name, want := range map[string]string{
		"fence": "gates events-off guard fence drain handover events-on watch",
		"dual":  "gates events-off window unfence events-on stragglers fence conflicts drain watch",
	} {
		cfg, err := config.Load("../../examples/"+name+".yaml", way.All().Settings())
		require.NoError(t, err)
		cfg.StateDir = t.TempDir()
		site, err := wiring.Open(cfg)
		require.NoError(t, err)
		planner, err := New(site, way.All())
		require.NoError(t, err)
		require.Equal(t, strings.Fields(want), movetest.Names(planner.Abandoned().Stages))
		require.NoError(t, site.Close())
	}
}
