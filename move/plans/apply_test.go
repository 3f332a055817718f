package plans

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/config"
	"github.com/dcmigrate/migrate/move/movetest"
	"github.com/dcmigrate/migrate/move/way"
	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/preflight"
)

// waiting is a way that asks for a long fence and adds a stage to the links.
type waiting struct{ way.Fence }

func (waiting) Preflight(o *preflight.Options, _ config.Cutover) {
	o.FenceWait = time.Minute
}

func (waiting) Linked(way.Parts) []plan.Stage { return []plan.Stage{{Name: "waiting-room"}} }

func TestApplyAsksTheWay(t *testing.T) {
	site, _ := movetest.Site(t)
	site.Pairs, site.Config.Databases = []replication.Pair{movetest.Pair("main")}, []config.Database{{Name: "main"}}
	p, err := New(site, way.Ways{waiting{}})
	require.NoError(t, err)
	require.Equal(t, []string{"link-reverse", "heartbeat", "increments", "waiting-room"}, movetest.Names(p.links()))
	require.Equal(t, time.Minute, p.preflight(site.Pairs[0], true).FenceWait)
}
