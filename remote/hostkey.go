package remote

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/dcmigrate/migrate/report"
)

// hostKeys returns the callback that checks the host's key, and the key algorithms
// to negotiate. Algorithms of the keys on record come first: otherwise the host
// might offer a key of another type, and be refused although it is known
// (golang/go issue 29286). Then comes ed25519, as in ssh(1).
func (s *SSH) hostKeys(address string) (ssh.HostKeyCallback, []string, error) {
	if s.cfg.HostKey != nil {
		return s.cfg.HostKey, preferring(ssh.KeyAlgoED25519), nil
	}
	var files []string
	for _, f := range s.cfg.KnownHosts {
		if _, err := os.Stat(f); err == nil {
			files = append(files, f)
		} else if !errors.Is(err, os.ErrNotExist) {
			return nil, nil, fmt.Errorf("read known hosts: %w", err)
		}
	}
	known, err := knownhosts.New(files...)
	if err != nil {
		return nil, nil, report.WithHint(fmt.Errorf("read known hosts: %w", err), "correct or remove that line")
	}
	verify := func(hostname string, remote net.Addr, key ssh.PublicKey) error {
		return s.keyError(address, key, known(hostname, remote, key))
	}
	return verify, preferredAlgorithms(known, address), nil
}

func (s *SSH) keyError(address string, key ssh.PublicKey, err error) error {
	shown := key.Type() + " " + ssh.FingerprintSHA256(key)
	var mismatch *knownhosts.KeyError
	var revoked *knownhosts.RevokedError
	switch {
	case errors.As(err, &revoked):
		return &HostKeyError{s.cfg.Name, address, shown, revoked.Revoked.Filename, revoked.Revoked.Line, true}
	case errors.As(err, &mismatch) && len(mismatch.Want) == 0:
		return &UnknownHostError{s.cfg.Name, address, shown, s.cfg.KnownHosts}
	case errors.As(err, &mismatch):
		want := mismatch.Want[0]
		for _, k := range mismatch.Want {
			if k.Key.Type() == key.Type() {
				want = k
			}
		}
		return &HostKeyError{s.cfg.Name, address, shown, want.Filename, want.Line, false}
	default:
		return err
	}
}

// preferredAlgorithms returns all supported host key algorithms; those of the keys
// on record for address come first.
func preferredAlgorithms(known ssh.HostKeyCallback, address string) []string {
	var first []string
	var mismatch *knownhosts.KeyError
	if errors.As(known(address, &net.TCPAddr{IP: net.IPv4zero}, noKey{}), &mismatch) {
		for _, k := range mismatch.Want {
			first = append(first, keyAlgorithms(k)...)
		}
	}
	return preferring(append(first, ssh.KeyAlgoED25519)...)
}

// preferring returns all supported host key algorithms, the given ones first.
func preferring(first ...string) []string {
	var all []string
	for _, a := range append(first, ssh.SupportedAlgorithms().HostKeys...) {
		if !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

func keyAlgorithms(k knownhosts.KnownKey) []string {
	if isAuthority(k.Filename, k.Line) { // the key that it signed may be of any type
		var certs []string
		for _, a := range ssh.SupportedAlgorithms().HostKeys {
			if strings.Contains(a, "-cert-") {
				certs = append(certs, a)
			}
		}
		return certs
	}
	if k.Key.Type() == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{k.Key.Type()}
}

// isAuthority reports whether the line starts with @cert-authority. Package
// knownhosts does not report that.
func isAuthority(file string, line int) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		if n == line {
			return strings.HasPrefix(strings.TrimSpace(lines.Text()), "@cert-authority")
		}
	}
	return false
}

// noKey is a public key that equals no key on record: checking it yields the list
// of keys that are.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return nil }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("not a key") }
