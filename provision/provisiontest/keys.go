package provisiontest

import (
	"crypto/ed25519"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// Identity makes the operator's key pair. It returns the file of the private key
// and the line of authorized_keys, without newline.
func Identity(t testing.TB) (file, authorized string) {
	t.Helper()
	private, public := NewKey(t)
	file = filepath.Join(t.TempDir(), "id_ed25519")
	require.NoError(t, os.WriteFile(file, []byte(private), 0o600))
	return file, public
}

// NewKey makes an ed25519 key pair: the private key in PEM, the public one in
// authorized_keys form, without newline.
func NewKey(t testing.TB) (private, public string) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(key, "")
	require.NoError(t, err)
	line, err := ssh.NewPublicKey(pub)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(block)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(line)))
}
