package provision

import (
	"context"
	"encoding/json"
	"fmt"

	"golang.org/x/crypto/ssh"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// sshKeyOp adds the operator's public key to the account. The vendor makes a droplet
// with a key without a root password.
type sshKeyOp struct {
	cloud Keys
	name  string
	key   ssh.PublicKey
}

// newSSHKey returns the step that adds the site's SSH key to the account.
func newSSHKey(cloud Keys, site Site) (plan.Step, error) {
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
	if err := op.cloud.CreateSSHKey(ctx, op.name, authorizedKey(op.key)+" "+op.name); err != nil {
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

// Undo removes the key only if it has the migration's name too: a person may have added
// the same key under another name since.
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
