package replication_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/servertest"
)

func TestComputingSettings(t *testing.T) {
	servertest.Each(t, func(t *testing.T, flavor servertest.Flavor) {
		s := servertest.Start(t, flavor)
		c, err := s.Root().Conn(t.Context())
		require.NoError(t, err)
		defer c.Close()
		_, err = c.ExecContext(t.Context(), replication.ResetComputing)
		require.NoError(t, err)
		for _, test := range []struct {
			zone, mode   string
			zones, dates bool
			want         string
		}{
			{"+00:00", "STRICT_TRANS_TABLES,NO_ZERO_DATE", false, false, "SET SESSION time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO,NO_UNSIGNED_SUBTRACTION,NO_ZERO_DATE'"},
			{"+02:00", "STRICT_ALL_TABLES", true, false, "SET SESSION time_zone = '+02:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO,NO_UNSIGNED_SUBTRACTION'"},
			{"+00:00", "", false, true, "SET SESSION time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO,NO_UNSIGNED_SUBTRACTION'"},
			{"+00:00", "ALLOW_INVALID_DATES", false, false, "SET SESSION time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO,NO_UNSIGNED_SUBTRACTION,ALLOW_INVALID_DATES'"},
		} {
			s.Exec("SET GLOBAL time_zone = '"+test.zone+"'", "SET GLOBAL sql_mode = '"+test.mode+"'")
			got, err := replication.ReadComputing(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, test.zones, got.OtherZone, test.zone)
			require.Equal(t, test.dates, got.OtherDates, test.mode)
			require.Equal(t, test.want, got.Statement())
		}
	})
}
