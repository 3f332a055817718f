package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/phrase"
	"github.com/dcmigrate/migrate/replication/query"
	"github.com/dcmigrate/migrate/report"
)

// The names of the accounts that migrate creates. None of them exists for longer than its
// purpose.
const (
	ReaderUser = "migrate_reader" // reads a binlog
	ProbeUser  = "migrate_probe"  // proves a fence
	SeedUser   = "migrate_seed"   // reads the source from the target's host
	CloneUser  = "migrate_clone"  // sends the source's files

	linkUserPrefix  = "migrate_"
	guardUserPrefix = "migrate_guard_"
)

// LinkUser is the name of the account that the server of a side follows the other one with.
func LinkUser(side Side) string { return linkUserPrefix + string(side) }

// GuardUser is the name of the account that a guard opens the server of a side with.
func GuardUser(side Side) string { return guardUserPrefix + string(side) }

// IsLinkUser reports whether a link that logs in with the name is one of migrate's.
func IsLinkUser(name string) bool { return name == LinkUser(Source) || name == LinkUser(Target) }

// ownUsers are the names of all accounts that migrate creates.
var ownUsers = []string{
	LinkUser(Source), LinkUser(Target), GuardUser(Source), GuardUser(Target), ReaderUser, ProbeUser, SeedUser, CloneUser,
}

// ownAccountMark is a limit that no account reaches. Both flavors keep it with the account,
// from the statement that creates it on, and it travels with the account.
const ownAccountMark = "1835624306"

// OwnAccountOptions is the clause of CREATE USER that marks an account as migrate's.
const OwnAccountOptions = " WITH MAX_UPDATES_PER_HOUR " + ownAccountMark

// ErrForeignAccount is wrapped if a server has an account of the name of one of migrate's
// own that migrate did not make.
var ErrForeignAccount = errors.New("an account of the name of one of migrate's own is not migrate's")

// OwnAccounts are a server's accounts with the names of migrate's own. Those with migrate's
// mark are migrate's; the others are an application's, or of an older version of migrate.
type OwnAccounts struct{ own, foreign []AccountName }

// AccountName is the user and the host of an account.
type AccountName struct{ User, Host string }

// String is the account as SQL writes it.
func (a AccountName) String() string { return query.Literal(a.User) + "@" + query.Literal(a.Host) }

// ReadOwnAccounts reads the accounts of migrate's names.
func ReadOwnAccounts(ctx context.Context, q query.Queryer) (OwnAccounts, error) {
	var names []any
	for _, name := range ownUsers {
		names = append(names, name)
	}
	records, err := query.All(ctx, q, "SELECT User AS user, Host AS host, max_updates AS mark FROM mysql.user WHERE User IN ("+
		strings.Repeat(",?", len(names))[1:]+") ORDER BY 1, 2", names...)
	if err != nil {
		return OwnAccounts{}, fmt.Errorf("read migrate's own accounts: %w", err)
	}
	var out OwnAccounts
	for _, r := range records {
		name := AccountName{r["user"], r["host"]}
		if r["mark"] == ownAccountMark && slices.Contains(ownUsers, name.User) {
			out.own = append(out.own, name)
		} else {
			out.foreign = append(out.foreign, name)
		}
	}
	return out, nil
}

// Has reports whether an account is migrate's.
func (o OwnAccounts) Has(user, host string) bool {
	return slices.Contains(o.own, AccountName{user, host})
}

// HasUser reports whether every account of a name is migrate's, and there is one. A session
// tells the name of its account and not its host.
func (o OwnAccounts) HasUser(name string) bool {
	isOf := func(a AccountName) bool { return a.User == name }
	return slices.ContainsFunc(o.own, isOf) && !slices.ContainsFunc(o.foreign, isOf)
}

// All lists migrate's accounts.
func (o OwnAccounts) All() []AccountName { return slices.Clone(o.own) }

// Hosts lists the hosts with which migrate has an account of a name.
func (o OwnAccounts) Hosts(user string) []string {
	var hosts []string
	for _, a := range o.own {
		if a.User == user {
			hosts = append(hosts, a.Host)
		}
	}
	return hosts
}

// Refuse returns an error that wraps ErrForeignAccount if accounts of one of the names are
// not migrate's. Without a name all names count.
func (o OwnAccounts) Refuse(users ...string) error {
	text, fix := o.Foreign(users...)
	if text == "" {
		return nil
	}
	return report.WithHint(report.Permanent(fmt.Errorf("%w: %s", ErrForeignAccount, text)), "%s", fix)
}

// Foreign names the accounts of one of the names that are not migrate's, and the fix; both
// are "" if there is none. Without a name all names count.
func (o OwnAccounts) Foreign(users ...string) (text, fix string) {
	var names []string
	for _, a := range o.foreign {
		if len(users) == 0 || slices.Contains(users, a.User) {
			names = append(names, a.String())
		}
	}
	if len(names) == 0 {
		return "", ""
	}
	return phrase.FirstOf(5, names), "rename the application's account (RENAME USER); if an earlier version of migrate left it, DROP USER " + strings.Join(names, ", ")
}
