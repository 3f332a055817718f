package provision

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/secret"
)

// bootstrapKey is the host key that new droplets get in their user-data, so that the
// first connection can check the host key strictly. Every process of a droplet can read
// user-data from the metadata service, so trust replaces the key at once, which
// makes it worthless. It stays in the state folder, mode 0600, from before the first
// create until the last droplet has a key of its own: kill -9 in between does not lose it.
type bootstrapKey struct {
	Private secret.Value // OpenSSH PEM
	Public  string       // authorized_keys form
}

func bootstrapPath(folder string) string { return filepath.Join(folder, "bootstrap_ed25519") }

// loadBootstrap returns the stored key, or an error that wraps os.ErrNotExist.
func loadBootstrap(folder string) (bootstrapKey, error) {
	data, err := os.ReadFile(bootstrapPath(folder))
	if err != nil {
		return bootstrapKey{}, fmt.Errorf("read bootstrap host key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(data)
	if err != nil {
		return bootstrapKey{}, fmt.Errorf("read bootstrap host key: %w", err)
	}
	return bootstrapKey{secret.New(string(data)), authorizedKey(signer.PublicKey())}, nil
}

// ensureBootstrap returns the stored key. It makes and stores one if none is stored.
func ensureBootstrap(folder string) (bootstrapKey, error) {
	key, err := loadBootstrap(folder)
	if !errors.Is(err, os.ErrNotExist) {
		return key, err
	}
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return bootstrapKey{}, fmt.Errorf("make bootstrap host key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return bootstrapKey{}, fmt.Errorf("make bootstrap host key: %w", err)
	}
	if err := plan.WriteFile(bootstrapPath(folder), pem.EncodeToMemory(block)); err != nil {
		return bootstrapKey{}, fmt.Errorf("store bootstrap host key: %w", err)
	}
	return loadBootstrap(folder)
}

// dropBootstrap deletes the stored key.
func dropBootstrap(folder string) error {
	if err := os.Remove(bootstrapPath(folder)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove bootstrap host key: %w", err)
	}
	return nil
}
