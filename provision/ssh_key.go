package provision

import (
	"context"
	"encoding/json"
	"fmt"

	"golang.org/x/crypto/ssh"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// sshKeyOp puts the operator's public key into the account, so that droplets are
// made without a root password.
type sshKeyOp struct {
	cloud Keys
	name  string
	key   ssh.PublicKey
}

// existed is the before-image of what is either there or not.
type existed struct {
	Existed bool `json:"existed"`
}

// NewSSHKey returns the step that adds the site's SSH key to the account.
func NewSSHKey(cloud Keys, site Site) (plan.Step, error) {
	key, err := site.publicKey()
	if err != nil {
		return plan.Step{}, err
	}
	return plan.Step{
		Name:    "ssh-key",
		Summary: fmt.Sprintf("add SSH key %s to the account as %s", ssh.FingerprintSHA256(key), site.resourceName()),
		Op:      &sshKeyOp{cloud, site.resourceName(), key},
	}, nil
}

func (op *sshKeyOp) Check(ctx context.Context) (plan.State, error) {
	found, ok, err := op.cloud.SSHKeyByFingerprint(ctx, ssh.FingerprintLegacyMD5(op.key))
	if err != nil {
		return plan.State{}, fmt.Errorf("look up ssh key: %w", err)
	}
	s := plan.State{Done: ok, Now: "not in the account", Want: "in the account as " + op.name}
	if ok {
		s.Now = "in the account as " + found.Name
	}
	s.Before, err = json.Marshal(existed{ok})
	return s, err
}

func (op *sshKeyOp) Apply(ctx context.Context) error {
	_, ok, err := op.cloud.SSHKeyByFingerprint(ctx, ssh.FingerprintLegacyMD5(op.key))
	if err != nil {
		return fmt.Errorf("look up ssh key: %w", err)
	}
	if ok {
		return nil
	}
	if err := op.cloud.CreateSSHKey(ctx, op.name, marshalKey(op.key)+" "+op.name); err != nil {
		return fmt.Errorf("add ssh key: %w", err)
	}
	return nil
}

func (op *sshKeyOp) Verify(ctx context.Context) error {
	_, ok, err := op.cloud.SSHKeyByFingerprint(ctx, ssh.FingerprintLegacyMD5(op.key))
	if err != nil {
		return fmt.Errorf("look up ssh key: %w", err)
	}
	if !ok {
		return fmt.Errorf("ssh key %s is not in the account", ssh.FingerprintSHA256(op.key))
	}
	return nil
}

// Undo removes the key only when it is ours by name too: somebody may have
// added the same key under another name since.
func (op *sshKeyOp) Undo(ctx context.Context, before json.RawMessage) error {
	was, err := ReadBefore[existed](before)
	if err != nil || was.Existed {
		return err
	}
	found, ok, err := op.cloud.SSHKeyByFingerprint(ctx, ssh.FingerprintLegacyMD5(op.key))
	if err != nil {
		return fmt.Errorf("look up ssh key: %w", err)
	}
	if !ok {
		return nil
	}
	if found.Name != op.name {
		report.Note(ctx, "ssh key %s is left in the account: it is named %q, not %q", ssh.FingerprintSHA256(op.key), found.Name, op.name)
		return nil
	}
	if err := op.cloud.DeleteSSHKey(ctx, found.ID); err != nil {
		return fmt.Errorf("remove ssh key: %w", err)
	}
	return nil
}

// ReadBefore decodes a before-image; an absent one is the zero value.
func ReadBefore[T any](before json.RawMessage) (T, error) {
	var v T
	if len(before) == 0 {
		return v, nil
	}
	if err := json.Unmarshal(before, &v); err != nil {
		return v, fmt.Errorf("read before-image: %w", err)
	}
	return v, nil
}
