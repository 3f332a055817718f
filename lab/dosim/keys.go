package dosim

import (
	"net/http"
	"strconv"

	"golang.org/x/crypto/ssh"
)

type sshKey struct {
	ID          int    `json:"id"`
	Fingerprint string `json:"fingerprint"`
	PublicKey   string `json:"public_key"`
	Name        string `json:"name"`
}

func (s *Sim) listKeys(r *http.Request) (int, any, error) {
	return page(r, "ssh_keys", sortedValues(s.sshKeys))
}

func (s *Sim) createKey(r *http.Request) (int, any, error) {
	var in struct {
		Name      string `json:"name"`
		PublicKey string `json:"public_key"`
	}
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	parsed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(in.PublicKey))
	switch {
	case in.Name == "":
		return 0, nil, unprocessable("Name can't be blank")
	case err != nil:
		return 0, nil, unprocessable("Key invalid, key should be of the format `type key [comment]`")
	}
	k := &sshKey{Fingerprint: ssh.FingerprintLegacyMD5(parsed), PublicKey: in.PublicKey, Name: in.Name}
	if s.key(k.Fingerprint) != nil {
		return 0, nil, unprocessable("SSH Key is already in use on your account")
	}
	k.ID = s.nextID()
	s.sshKeys[k.ID] = k
	return object(http.StatusCreated, "ssh_key", k)
}

// key returns the key with that id or fingerprint, or nil.
func (s *Sim) key(identifier string) *sshKey {
	for _, k := range s.sshKeys {
		if k.Fingerprint == identifier || strconv.Itoa(k.ID) == identifier {
			return k
		}
	}
	return nil
}

func (s *Sim) getKey(r *http.Request) (int, any, error) {
	k := s.key(r.PathValue("key"))
	if k == nil {
		return 0, nil, notFound()
	}
	return object(http.StatusOK, "ssh_key", k)
}

func (s *Sim) updateKey(r *http.Request) (int, any, error) {
	k := s.key(r.PathValue("key"))
	if k == nil {
		return 0, nil, notFound()
	}
	var in struct {
		Name string `json:"name"`
	}
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	if in.Name == "" {
		return 0, nil, unprocessable("Name can't be blank")
	}
	k.Name = in.Name
	return object(http.StatusOK, "ssh_key", k)
}

func (s *Sim) deleteKey(r *http.Request) (int, any, error) {
	k := s.key(r.PathValue("key"))
	if k == nil {
		return 0, nil, notFound()
	}
	delete(s.sshKeys, k.ID)
	return noContent()
}
