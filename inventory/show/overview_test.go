package show_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/show"
)

func TestUnknownFieldsAreNoted(t *testing.T) {
	h := &inventory.Host{Name: "web1", Unknown: []string{"gpus", "packages.flavour"}}
	for name, write := range map[string]func(io.Writer) error{
		"overview": func(w io.Writer) error { return show.Overview(w, []*inventory.Host{h}) },
		"host":     func(w io.Writer) error { return show.Host(w, h) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			require.NoError(t, write(&out))
			require.Contains(t, out.String(), "note: the inventory of web1 is of a newer migrate: gpus, packages.flavour: passed over")
		})
	}
}
