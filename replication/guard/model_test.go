package guard

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// model is the state of a pair's switches in both directions: of the controller, its
// journal, both guards and both servers. A switch of direction d goes from side d to
// side 1-d, so 0 is a cutover and 1 a rollback; guards[d] is its guard, on the host of
// side d. Each transition below is one action that is atomic in reality (a rename, a SET
// GLOBAL, a line of the journal, the end of a process); anything may happen between two
// of them. docs/protocols.md explains the states.
type model struct {
	dir      int    // the direction of the controller's run
	pc       string // the controller's next action; "" is no controller
	switched bool   // the critical section was complete when the run began: the run does not undo it
	guards   [2]guardModel
	open     [2]bool   // the side accepts writes
	has      [2]bool   // the side has every write of the other
	journal  [2]string // a direction's started steps, in order: a is Arm, f the fence, h Handover
	verified [2]bool   // its handover was verified
	inForce  bool      // a cutover has finished
	flaw     string    // the rule that a transition has broken
}

// from reports whether the side that the run leaves accepts writes.
func (m model) from() bool { return m.open[m.dir] }

// to reports whether the side that the run enters accepts writes.
func (m model) to() bool { return m.open[1-m.dir] }

func (m model) guard() guardModel { return m.guards[m.dir] }

// left reports whether the guard of the other direction exists.
func (m model) left() bool {
	g := m.guards[1-m.dir]
	return g.alive || g.token != tokenNone
}

// at continues the controller at another action.
func (m model) at(pc string) model {
	m.pc = pc
	if pc == "" {
		m.dir, m.switched = 0, false
	}
	return m
}

// opened makes a side accept writes, which the other side does not have yet.
func (m model) opened(side int) model {
	if !m.has[side] {
		m.flaw = fmt.Sprintf("side %d was opened before it had the writes of the other (I1)", side)
	}
	m.open[side], m.has[1-side] = true, false
	return m
}

// journaled writes the start of a step to the journal.
func (m model) journaled(step string) model {
	if !strings.Contains(m.journal[m.dir], step) {
		m.journal[m.dir] += step
	}
	if step == "h" {
		m.verified[m.dir] = false
	}
	return m
}

// forgotten removes a direction's steps from the journal.
func (m model) forgotten(dir int) model {
	m.journal[dir], m.verified[dir] = "", false
	return m
}

// ended removes a direction's guard.
func (m model) ended(dir int) model {
	m.guards[dir] = guardModel{}
	return m
}

// change is Guard.change on a direction's guard.
func (m model) change(dir int, pc, lost string, extend bool, to token, from ...token) model {
	g := &m.guards[dir]
	for _, t := range append(from, to) {
		if g.token == t {
			g.token = to
			g.late = g.late && !extend
			return m.at(pc)
		}
	}
	return m.at(lost)
}

// only is the one state that can follow.
func only(m model) []model { return []model{m} }

// operatorSteps are the commands that the journal allows: see move.PositionOf.
func operatorSteps(m model) []model {
	var next []model
	run := func(dir int, pc string) {
		n := m.at(pc)
		n.dir, n.switched = dir, m.verified[dir] && pc == "arm"
		next = append(next, n)
	}
	handedOver := strings.Contains(m.journal[0], "h")
	if m.journal[1] != "" && !m.verified[1] {
		run(1, "undo") // the run that is resumed finds that its section does not stand
	}
	if m.journal[1] == "" && !m.inForce {
		run(0, "arm") // migrate cutover
		if m.journal[0] != "" && !m.verified[0] {
			run(0, "undo") // as above, or migrate rollback, which takes it back
		}
	}
	if m.journal[1] != "" || m.inForce || handedOver {
		run(1, "arm") // migrate rollback, a switch
	}
	return next
}

// forwardSteps are the plan's steps: Arm, the fence, Drain, Handover.
func forwardSteps(m model) []model {
	g := m.guard()
	switch m.pc {
	case "arm": // its Check
		switch {
		case m.left():
			return only(m.journaled("a").at("settle"))
		case !m.from() && m.to(), g.alive && g.waits() && !g.late, g.alive && g.decided():
			return only(m.at("fence"))
		}
		return only(m.journaled("a").at("arm-own"))
	case "arm-own":
		switch {
		case g.alive && g.decided():
			return only(m.at("fence"))
		case g.decided():
			return only(m.at("start handover"))
		case !m.from() && m.to(), g.alive && g.waits() && !g.late:
			return only(m.at("fence"))
		case m.to():
			return only(m.at("undo"))
		case g.alive && !m.from():
			return nil // the old guard has to open a side first
		}
		return only(m.at("start armed"))
	case "start armed", "start handover", "started armed", "started handover":
		return only(startSteps(m, "fence"))
	case "fence":
		if !m.from() {
			return only(m.at("drain"))
		}
		return only(m.journaled("f").at("fence-set"))
	case "fence-set":
		m.open[m.dir] = false
		return only(m.at("drain"))
	case "drain": // a gate that was passed before is not asked again
		drained := m.at("handover")
		if m.from() {
			return []model{m.at("handover"), m.at("undo")}
		}
		drained.has[1-m.dir] = true
		return []model{m.at("handover"), drained}
	}
	return append(settleSteps(m), handoverSteps(m)...)
}

// startSteps are Guard.start: end an older guard, then start.
func startSteps(m model, next string) model {
	if initial, ok := strings.CutPrefix(m.pc, "start "); ok {
		return m.ended(m.dir).at("started " + initial)
	}
	initial, _ := strings.CutPrefix(m.pc, "started ")
	m.guards[m.dir] = guardModel{token: token(initial), alive: true}
	return m.at(next)
}

// settleSteps are Guard.settle on the guard of the other direction.
func settleSteps(m model) []model {
	other := 1 - m.dir // also the side that the other guard runs on
	g := m.guards[other]
	switch m.pc {
	case "settle":
		switch {
		case g.waits() || g.token == tokenReleased:
			if m.open[1-other] { // the promise is void
				return only(m.at("settle: done"))
			}
			return only(m.change(other, "settle: open its from", "settle", false, tokenReleased, tokenArmed, tokenReturning))
		case g.decided():
			if m.open[other] {
				return only(m.at("settle: done"))
			}
			return only(m.change(other, "settle: open its to", "settle", false, tokenGuarding, tokenHandover, tokenReverting))
		}
		return only(m.at("settle: done"))
	case "settle: open its from":
		return only(m.opened(other).at("settle: done"))
	case "settle: open its to":
		return only(m.opened(1 - other).at("settle: done"))
	case "settle: done":
		return only(m.change(other, "settle: remove", "settle: remove", false, tokenDone,
			tokenArmed, tokenReturning, tokenReleased, tokenHandover, tokenReverting, tokenGuarding))
	case "settle: remove":
		return only(m.ended(other).at("arm-own"))
	}
	return nil
}

// handoverSteps are Handover's Check, Apply and Verify, and what follows.
func handoverSteps(m model) []model {
	g := m.guard()
	switch m.pc {
	case "handover":
		switch {
		case !m.from() && m.to() && g.token == tokenNone: // its Check is done
			if strings.Contains(m.journal[m.dir], "h") {
				return only(m.at("verify"))
			}
			return only(m.at("follow"))
		case m.from():
			return only(m.journaled("h").at("undo"))
		case m.to():
			return only(m.journaled("h").at("open"))
		}
		return only(m.journaled("h").at("drain-again"))
	case "drain-again":
		if m.from() {
			return only(m.at("undo"))
		}
		m.has[1-m.dir] = true
		return only(m.at("decide"))
	case "decide":
		if g.token == tokenGuarding {
			return only(m.at("await"))
		}
		return only(m.change(m.dir, "look", "undo", false, tokenHandover, tokenArmed, tokenReturning, tokenReverting))
	case "look":
		if m.from() {
			return only(m.change(m.dir, "undo", "undo", true, tokenReturning, tokenHandover))
		}
		return only(m.at("open"))
	case "await":
		if m.to() {
			return only(m.at("open"))
		}
	case "open":
		return only(m.opened(1 - m.dir).at("disarm"))
	case "disarm":
		return only(m.change(m.dir, "remove", "remove", false, tokenDone, tokenHandover, tokenGuarding, tokenReverting))
	case "remove":
		return only(m.ended(m.dir).at("verify"))
	case "verify":
		m.verified[m.dir] = true
		return only(m.at("follow"))
	case "follow": // flips, and the end of the run
		m.inForce = m.dir == 0
		if m.dir == 1 {
			m = m.forgotten(0)
		}
		return only(m.forgotten(1).at(""))
	}
	return nil
}

// undoSteps are the Undos in reverse order; a failed one ends the controller.
func undoSteps(m model) []model {
	g, steps := m.guard(), m.journal[m.dir]
	switch m.pc {
	case "undo":
		switch {
		case m.switched || steps == "":
			return only(m.at(""))
		}
		return only(m.at("undo " + steps[len(steps)-1:]))
	case "undone":
		if strings.HasSuffix(steps, "h") {
			m.verified[m.dir] = false
		}
		m.journal[m.dir] = steps[:len(steps)-1]
		return only(m.at("undo"))
	case "undo h":
		switch {
		case !m.to() && g.token == tokenGuarding:
			return only(m.at(""))
		case !m.to() && g.token != tokenReverting && g.token != tokenHandover:
			return only(m.at("undone"))
		case m.from(), g.alive && g.token == tokenGuarding:
			return only(m.at(""))
		case g.alive && (g.token == tokenHandover || g.token == tokenReverting):
			return only(m.change(m.dir, "undo h: fence", "", true, tokenReverting, tokenHandover))
		}
		return only(m.at("start reverting"))
	case "start reverting", "started reverting":
		return only(startSteps(m, "undo h: fence"))
	case "undo h: fence":
		m.open[1-m.dir] = false
		return only(m.at("undo h: drain"))
	case "undo h: drain":
		if m.to() {
			return only(m.at(""))
		}
		m.has[m.dir] = true
		return only(m.change(m.dir, "undone", "", false, tokenReturning, tokenReverting))
	case "undo f": // Guard.release
		switch {
		case m.to():
			return only(m.change(m.dir, "", "", false, tokenDone, tokenArmed, tokenReturning, tokenReleased))
		case g.decided():
			return only(m.at(""))
		case g.waits():
			return only(m.change(m.dir, "undo f: open", "undo f", false, tokenReleased, tokenArmed, tokenReturning))
		}
		return only(m.at("undo f: open"))
	case "undo f: open":
		return only(m.opened(m.dir).at("undone"))
	case "undo a":
		if g.decided() {
			return only(m.at(""))
		}
		return only(m.change(m.dir, "undo a: remove", "undo a: remove", false, tokenDone, tokenArmed, tokenReturning, tokenReleased))
	case "undo a: remove":
		return only(m.ended(m.dir).at("undone"))
	}
	return nil
}

// steps are all states that can follow.
func steps(m model) []model {
	var next []model
	for d, g := range m.guards {
		next = append(next, guardSteps(m, d)...)
		if g.alive && !g.late {
			late := m
			late.guards[d].late = true
			next = append(next, late)
		}
	}
	if m.pc == "" {
		return append(next, operatorSteps(m)...)
	}
	next = append(next, m.at("")) // kill -9
	if back := undoSteps(m); back != nil {
		return append(next, back...)
	}
	if m.pc != "follow" {
		next = append(next, m.at("undo")) // a failure or a signal
	}
	return append(next, forwardSteps(m)...)
}

// guarded reports whether a guard opens a side without a controller.
func guarded(m model) bool {
	for d := range m.guards {
		alone := m.at("")
		alone.guards[d].late = true
		for range 4 * len(looks) {
			if alone.open[0] || alone.open[1] {
				return true
			}
			next := guardSteps(alone, d)
			if len(next) == 0 {
				break
			}
			alone = next[0]
		}
	}
	return false
}

// explore visits every state that can be reached. It returns their number and the first
// one that breaks an invariant, with the states that lead to it.
func explore(start model, step func(model) []model) (states int, broken string) {
	previous := map[model]model{start: start}
	queue := []model{start}
	for len(queue) > 0 {
		m := queue[0]
		queue = queue[1:]
		flaw := m.flaw
		switch {
		case m.open[0] && m.open[1]:
			flaw = "both sides accept writes (I2)"
		case !m.open[0] && !m.open[1] && !guarded(m):
			flaw = "both sides are fenced and no guard will open one (I3)"
		}
		if flaw != "" {
			path := []string{fmt.Sprintf("%+v", m)}
			for at := m; at != start; at = previous[at] {
				path = append(path, fmt.Sprintf("%+v", previous[at]))
			}
			slices.Reverse(path)
			return len(previous), flaw + "\n" + strings.Join(path, "\n")
		}
		for _, next := range step(m) {
			if _, ok := previous[next]; !ok {
				previous[next] = m
				queue = append(queue, next)
			}
		}
	}
	return len(previous), ""
}

// begin is the state before the cutover: the source accepts writes, and has every write of
// the target.
var begin = model{open: [2]bool{true, false}, has: [2]bool{true, false}}

func TestGuardModel(t *testing.T) { // I1, I2, I3
	states, broken := explore(begin, steps)
	require.Empty(t, broken)
	require.Greater(t, states, 1000, "the model was explored")
	t.Logf("%d states", states)
}
