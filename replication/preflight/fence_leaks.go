package preflight

import (
	"context"
	"slices"

	"github.com/dcmigrate/migrate/replication/fence"
)

// checkLeaks looks for what bypasses the fence of a side (H14). The way dual fences a side
// only when no application writes there any more: only accounts refuse it.
func (i *inspection) checkLeaks(ctx context.Context, s *side) error {
	all, err := fence.Bypasses(ctx, s.Server, i.opts.Admins, fence.Moved(i.pair.Schemas))
	if err != nil {
		return err
	}
	refused, named := fence.SplitBypasses(all)
	for _, list := range []struct {
		bypasses []fence.Bypass
		named    bool
	}{{refused, false}, {named, true}} {
		for _, kind := range fence.BypassKinds {
			of := slices.DeleteFunc(slices.Clone(list.bypasses), func(b fence.Bypass) bool { return b.Kind != kind })
			texts, fixes := fence.DescribeBypasses(of)
			if len(texts) == 0 {
				continue
			}
			severity, fix := Refuse, fixes[0]
			switch {
			case list.named:
				severity, fix = Warn, "none needed while the accounts that cutover.admins names do not write; else "+fix
			case i.opts.Dual && kind != fence.AccountBypass && kind != fence.EventBypass:
				severity = Warn
			}
			i.add("H14", severity, s, fix, "%s", texts[0])
		}
	}
	return nil
}
