// Package capture reads what runs on a host, over SSH: one script asks the host's own
// programs, and what they answer becomes an inventory.Host. It only reads, as
// root or through sudo, and needs nothing installed on the host. What it could
// not see is named in the result, and secrets are redacted before anything is kept.
package capture
