package capture

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dcmigrate/migrate/inventory"
	"github.com/dcmigrate/migrate/inventory/redact"
)

// Audit reads again all that was written below dir and returns the secrets that
// a scanner, or the memory of this run, still finds there: none, unless there is
// a fault in the layers before. The Secret's Path is the file in dir.
func Audit(dir string, r *redact.Redactor) ([]inventory.Secret, error) {
	var leaks []inventory.Secret
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // the operator's own folder
		if err != nil {
			return fmt.Errorf("audit inventory: %w", err)
		}
		for _, f := range r.Leaks(string(text)) {
			leaks = append(leaks, inventory.Secret{Path: inventory.Text(path), Line: f.Line, Kind: f.Kind, Token: f.Token})
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return leaks, err
}
