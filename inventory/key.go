package inventory

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dcmigrate/migrate/inventory/redact"
	"github.com/dcmigrate/migrate/report"
)

// OpenKey reads the project's key of redact.KeySize bytes, or creates it (mode
// 0600) if the file does not exist. The key makes the tokens that stand in place
// of secrets. It must not be published with the inventory: whoever has it can
// test guesses of the secrets.
func OpenKey(file string) ([]byte, error) {
	key, err := os.ReadFile(file)
	switch {
	case err == nil && len(key) == redact.KeySize:
		return key, nil
	case err == nil:
		err := fmt.Errorf("read key %s: it has %d bytes, not %d", file, len(key), redact.KeySize)
		return nil, report.WithHint(err, "restore it; with a new key, the tokens of earlier captures cannot be compared")
	case !errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("read key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	key = make([]byte, redact.KeySize)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	if err := writeFile(filepath.Dir(file), filepath.Base(file), key); err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return key, nil
}
