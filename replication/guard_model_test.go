package replication

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// model is the state of a switch: what the controller, the guard and both
// servers are at. Each transition below is one action that the real parts do
// in one go (a rename, a SET GLOBAL, the end of a process); anything may
// happen between two of them. docs/protocols.md explains the states.
type model struct {
	pc    string // the controller's next action; "" is dead or done
	token token
	alive bool   // the guard's process
	saw   token  // the guard has read this state and is about to unfence; "" is none
	late  bool   // the deadline has passed
	from  bool   // `from` lets writes in
	to    bool   // `to` does
	sent  bool   // `to` has every write of `from`
	back  bool   // `from` has every write of `to`
	flaw  string // what a transition did that it must not
}

// opened lets writes in on a side: the other side has not got them.
func (m model) opened(from bool) model {
	if from {
		if !m.back {
			m.flaw = "from was opened before it had the writes of to (I1)"
		}
		m.from, m.sent = true, false
		return m
	}
	if !m.sent {
		m.flaw = "to was opened before it had the writes of from (I1)"
	}
	m.to, m.back = true, false
	return m
}

func (m model) at(pc string) model { m.pc = pc; return m }

func (m model) change(pc, lost string, extend bool, to token, from ...token) model {
	for _, t := range append(from, to) {
		if m.token == t {
			m.token = to
			m.late = m.late && !extend
			return m.at(pc)
		}
	}
	return m.at(lost)
}

// guardSteps are the actions of guard.sh.
func guardSteps(m model) []model {
	if !m.alive {
		return nil
	}
	switch m.saw {
	case tokenReleased:
		m.saw = ""
		return []model{m.opened(true)}
	case tokenGuarding:
		m.saw = ""
		return []model{m.opened(false)}
	}
	switch m.token {
	case tokenArmed, tokenReturning:
		if m.late {
			m.token = tokenReleased
			return []model{m}
		}
	case tokenHandover, tokenReverting:
		if m.late {
			m.token = tokenGuarding
			return []model{m}
		}
	case tokenReleased, tokenGuarding:
		m.saw = m.token
		return []model{m}
	default:
		m.alive = false
		return []model{m}
	}
	return nil
}

// startSteps are Guard.start: end an older guard, then start.
func startSteps(m model, initial token, next string) model {
	switch m.pc {
	default:
		m.alive, m.saw, m.token = false, "", tokenNone
		return m.at("start " + string(initial) + " " + next)
	case "start " + string(initial) + " " + next:
		m.alive, m.token, m.late = true, initial, false
		return m.at(next)
	}
}

// forwardSteps are the plan's steps: ArmGuard, Fence, Drain, Handover.
func forwardSteps(m model) []model {
	one := func(m model) []model { return []model{m} }
	switch m.pc {
	case "arm":
		waiting := m.token == tokenArmed || m.token == tokenReturning
		decided := m.token == tokenHandover || m.token == tokenReverting || m.token == tokenGuarding
		switch {
		case !m.from && m.to, m.alive && waiting && !m.late, m.alive && decided:
			return one(m.at("fence"))
		case decided:
			return one(m.at("start-handover"))
		case m.to:
			return one(m.at("undo"))
		case m.alive && !m.from:
			return nil // the old guard has to open a side first
		}
		return one(m.at("start-armed"))
	case "start-armed", "start armed fence":
		return one(startSteps(m, tokenArmed, "fence"))
	case "start-handover", "start handover fence":
		return one(startSteps(m, tokenHandover, "fence"))
	case "fence":
		m.from = false
		return one(m.at("drain"))
	case "drain": // a gate that was passed before is not asked again
		drained := m.at("handover")
		if m.from {
			return []model{m.at("handover"), m.at("undo")}
		}
		drained.sent = true
		return []model{m.at("handover"), drained}
	case "handover":
		switch {
		case m.from:
			return one(m.at("undo"))
		case m.to:
			return one(m.at("open"))
		case m.token == tokenGuarding:
			return one(m.at("await"))
		}
		return one(m.at("drain-again"))
	case "drain-again":
		if m.from {
			return one(m.at("undo"))
		}
		m.sent = true
		return one(m.at("decide"))
	case "decide":
		if m.token == tokenGuarding {
			return one(m.at("await"))
		}
		return one(m.change("look", "undo", false, tokenHandover, tokenArmed, tokenReturning, tokenReverting))
	case "look":
		if m.from {
			return one(m.change("undo", "undo", true, tokenReturning, tokenHandover))
		}
		return one(m.at("open"))
	case "await":
		if m.to {
			return one(m.at("open"))
		}
		return nil
	case "open":
		return one(m.opened(false).at("disarm"))
	case "disarm":
		return one(m.change("remove", "remove", false, tokenDone, tokenHandover, tokenGuarding, tokenReverting))
	case "remove":
		m.alive, m.saw, m.token = false, "", tokenNone
		return one(m.at(""))
	}
	return undoSteps(m)
}

// undoSteps are the Undos in reverse order, with the end of a failed one.
func undoSteps(m model) []model {
	one := func(m model) []model { return []model{m} }
	switch m.pc {
	case "undo":
		switch {
		case !m.to && m.token == tokenGuarding:
			return one(m.at(""))
		case !m.to && m.token != tokenReverting && m.token != tokenHandover:
			return one(m.at("undo-fence"))
		case m.from:
			return one(m.at(""))
		case m.alive && m.token == tokenGuarding:
			return one(m.at(""))
		case m.alive && (m.token == tokenHandover || m.token == tokenReverting):
			return one(m.at("revert"))
		}
		return one(m.at("start-reverting"))
	case "revert":
		return one(m.change("fence-to", "", true, tokenReverting, tokenHandover))
	case "start-reverting", "start reverting fence-to":
		return one(startSteps(m, tokenReverting, "fence-to"))
	case "fence-to":
		m.to = false
		return one(m.at("drain-back"))
	case "drain-back":
		if m.to {
			return one(m.at(""))
		}
		m.back = true
		return one(m.at("return"))
	case "return":
		return one(m.change("undo-fence", "", false, tokenReturning, tokenReverting))
	case "undo-fence":
		return one(m.opened(true).at("undo-arm"))
	case "undo-arm":
		switch m.token {
		case tokenHandover, tokenReverting, tokenGuarding:
			return one(m.at(""))
		}
		return one(m.change("undo-remove", "undo-remove", false, tokenDone, tokenArmed, tokenReturning, tokenReleased))
	case "undo-remove":
		m.alive, m.saw, m.token = false, "", tokenNone
		return one(m.at(""))
	}
	return nil
}

// steps are all that may happen next.
func steps(m model) []model {
	next := append(guardSteps(m), forwardSteps(m)...)
	if m.alive && !m.late {
		late := m
		late.late = true
		next = append(next, late)
	}
	if m.pc == "" { // the operator runs it again: on, or the undo of an abort
		return append(next, m.at("arm"), m.at("undo"))
	}
	next = append(next, m.at("")) // kill -9
	if m.pc != "undo" && len(undoSteps(m)) == 0 {
		next = append(next, m.at("undo")) // a failure or a signal
	}
	return next
}

// guarded reports whether the guard alone opens a side of m.
func guarded(m model) bool {
	m.pc, m.late = "", true
	for range 4 {
		if m.from || m.to {
			return true
		}
		next := guardSteps(m)
		if len(next) == 0 {
			return false
		}
		m = next[0]
	}
	return false
}

// explore visits every state that can be reached, and returns how many and the
// first one that breaks an invariant, with the way there.
func explore(start model, step func(model) []model) (states int, broken string) {
	came := map[model]model{start: start}
	queue := []model{start}
	for len(queue) > 0 {
		m := queue[0]
		queue = queue[1:]
		flaw := m.flaw
		switch {
		case m.from && m.to:
			flaw = "both sides accept writes (I2)"
		case !m.from && !m.to && !guarded(m):
			flaw = "both sides are fenced and no guard will open one (I3)"
		}
		if flaw != "" {
			way := ""
			for at := m; at != start; at = came[at] {
				way = fmt.Sprintf("\n%+v", at) + way
			}
			return len(came), flaw + way
		}
		for _, next := range step(m) {
			if _, ok := came[next]; !ok {
				came[next] = m
				queue = append(queue, next)
			}
		}
	}
	return len(came), ""
}

// begin is before the switch: the source takes writes, and has all of the target's.
var begin = model{pc: "arm", from: true, back: true}

func TestGuardModel(t *testing.T) { // I1, I2, I3
	states, broken := explore(begin, steps)
	require.Empty(t, broken)
	require.Greater(t, states, 300, "the model was explored")
	t.Logf("%d states", states)
}

// Each mutant leaves out one rule of the protocol: the model must notice.
func TestGuardModelNoticesWhatIsLeftOut(t *testing.T) {
	mutants := map[string]func(model) []model{
		"no guard is started": func(m model) []model {
			if m.pc == "start-armed" {
				return []model{m.at("fence")}
			}
			return steps(m)
		},
		"the target is opened without winning the decision": func(m model) []model {
			if m.pc == "decide" {
				return append(steps(m), m.at("open"))
			}
			return steps(m)
		},
		"the handover does not drain again": func(m model) []model {
			if m.pc == "drain-again" {
				return []model{m.at("decide"), m.at("")}
			}
			return steps(m)
		},
		"the guard ends once it has opened the source": func(m model) []model {
			if m.alive && m.saw == tokenReleased {
				m.saw, m.alive = "", false
				return []model{m.opened(true)}
			}
			return steps(m)
		},
		"the undo of a completed switch fences the target without a guard": func(m model) []model {
			if m.pc == "start-reverting" {
				return []model{m.at("fence-to")}
			}
			return steps(m)
		},
		"a guard is replaced while both sides are fenced": func(m model) []model {
			if m.pc == "arm" && m.alive && m.late && !m.from && !m.to {
				return []model{m.at("start-armed")}
			}
			return steps(m)
		},
		"a handover that was decided is undone without draining back": func(m model) []model {
			if m.pc == "undo" && !m.to && m.token == tokenHandover {
				return []model{m.change("undo-fence", "", true, tokenReturning, tokenHandover)}
			}
			return steps(m)
		},
		"a guard is armed after the switch": func(m model) []model {
			if m.pc == "arm" && !m.from && m.to {
				return []model{m.at("start-armed")}
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
