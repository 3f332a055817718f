package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dcmigrate/migrate/secret"
)

func TestNoWayOfPrintingShowsASecret(t *testing.T) { // I7
	const text = "correct horse"
	value := secret.New(text)
	holder := struct {
		Name   string
		Secret secret.Value
		Where  *secret.Value
	}{"token", value, &value}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+" "+verb+"\n", value, holder)
	}
	fmt.Fprintln(&out, fmt.Errorf("log in with %v", value))
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("log in", "secret", value, "holder", holder)
	}
	asJSON, err := json.Marshal(holder)
	require.NoError(t, err)
	asYAML, err := yaml.Marshal(holder)
	require.NoError(t, err)
	out.Write(asJSON)
	out.Write(asYAML)
	require.NotContains(t, out.String(), text)
	require.Contains(t, out.String(), secret.Redacted)
	require.Equal(t, text, value.Open())
}

func TestGenerateReturnsDifferentSecrets(t *testing.T) {
	a, b := secret.Generate(), secret.Generate()
	require.Len(t, a.Open(), 26)
	require.NotEqual(t, a.Open(), b.Open())
	require.False(t, a.IsZero())
	require.True(t, secret.Value{}.IsZero())
}
