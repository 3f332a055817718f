package cfsim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/lab/cfsim"
)

func TestServeRefusesAddresses(t *testing.T) {
	sim := cfsim.New(cfsim.Options{Token: token})
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "localhost:0", "192.0.2.1:0", "10.214.0.1:0", "10.212.255.255:80", "8.8.8.8:53", "nonsense", "127.0.0.1"} {
		_, err := sim.ServeAPI(addr)
		require.ErrorIs(t, err, cfsim.ErrAddress, addr)
		_, err = sim.ServeEdge(addr, cfsim.EdgeOptions{})
		require.ErrorIs(t, err, cfsim.ErrAddress, addr)
		_, err = sim.ServeDNS(addr, cfsim.DNSOptions{})
		require.ErrorIs(t, err, cfsim.ErrAddress, addr)
	}
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", "10.213.0.1:0"} {
		if server, err := sim.ServeAPI(addr); err == nil {
			require.NoError(t, server.Close())
		} else { // the machine need not have the address
			require.NotErrorIs(t, err, cfsim.ErrAddress, addr)
		}
	}
}
