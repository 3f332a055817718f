package guard

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Each mutant leaves out one rule of the protocol: the model must notice.
func TestGuardModelNoticesWhatIsLeftOut(t *testing.T) {
	// instead makes the controller continue at another action where `when` holds.
	instead := func(when func(model) bool, to func(model) model) func(model) []model {
		return func(m model) []model {
			if when(m) {
				return only(to(m))
			}
			return steps(m)
		}
	}
	at := func(pc string) func(model) bool { return func(m model) bool { return m.pc == pc } }
	to := func(pc string) func(model) model { return func(m model) model { return m.at(pc) } }
	mutants := map[string]func(model) []model{
		"no guard is started":                   instead(at("start armed"), to("fence")),
		"the handover does not drain again":     instead(at("drain-again"), to("decide")),
		"the undo fences the target unguarded":  instead(at("start reverting"), to("undo h: fence")),
		"the other guard is not looked at":      instead(func(m model) bool { return m.pc == "settle" }, to("arm-own")),
		"the other guard's promise is not kept": instead(at("settle"), to("settle: done")),
		"the other guard is removed first":      instead(at("settle"), func(m model) model { return m.ended(1 - m.dir).at("arm-own") }),
		"the other guard's promise is mixed up": instead(at("settle: open its to"), to("settle: open its from")),
		"the side that is entered is opened for the other guard": instead(
			at("settle: done"), func(m model) model { return m.opened(1 - m.dir).at("settle: remove") }),
		"the target is opened without winning the decision": func(m model) []model {
			if m.pc == "decide" {
				return append(steps(m), m.at("open"))
			}
			return steps(m)
		},
		"the guard ends once it has opened the source": func(m model) []model {
			for d, g := range m.guards {
				if g.alive && g.saw == tokenReleased {
					m.guards[d].saw, m.guards[d].alive = "", false
					return only(m.opened(d))
				}
			}
			return steps(m)
		},
		// The guard that takes "seen nothing" for "done" leaves when a rename runs against
		// the order of its looks.
		"the guard leaves when it has seen no state": func(m model) []model {
			for d, g := range m.guards {
				if g.alive && g.saw == "" && g.look == len(looks) {
					m.guards[d].alive = false
					return only(m)
				}
			}
			return steps(m)
		},
		"a guard is replaced while both sides are fenced": instead(
			func(m model) bool {
				g := m.guard()
				return m.pc == "arm-own" && g.alive && g.late && !g.decided() && !m.from() && !m.to()
			}, to("start armed")),
		"a handover that was decided is undone without draining back": instead(
			func(m model) bool { return m.pc == "undo h" && !m.to() && m.guard().token == tokenHandover },
			func(m model) model { return m.change(m.dir, "undone", "", true, tokenReturning, tokenHandover) }),
		"a guard is armed after the switch": instead(
			func(m model) bool { return m.pc == "arm" && !m.left() && !m.from() && m.to() }, to("start armed")),
		"a cutover goes on while a rollback stands in the journal": func(m model) []model {
			if m.pc == "" && m.journal[1] != "" {
				return append(steps(m), m.at("arm"))
			}
			return steps(m)
		},
	}
	for name, step := range mutants {
		t.Run(name, func(t *testing.T) {
			_, broken := explore(begin, step)
			require.NotEmpty(t, broken)
		})
	}
}
