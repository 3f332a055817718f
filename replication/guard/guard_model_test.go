package guard

// guardModel is one direction's guard.
type guardModel struct {
	token token
	alive bool  // its process
	look  int   // the state of looks that it looks for next
	saw   token // it has seen this state and is about to act on it; "" is none
	late  bool  // its deadline has passed
}

// looks are the states in the order in which guard.sh looks for them, one by one.
var looks = []token{tokenArmed, tokenReturning, tokenHandover, tokenReverting, tokenReleased, tokenGuarding, tokenDone}

// waits says that the guard will open `from` at its deadline.
func (g guardModel) waits() bool { return g.token == tokenArmed || g.token == tokenReturning }

// decided says that the guard will open, or opens, `to`.
func (g guardModel) decided() bool {
	return g.token == tokenHandover || g.token == tokenReverting || g.token == tokenGuarding
}

// guardSteps are the actions of guard.sh on the host of side d. A look is an action of its
// own: what was seen may not hold any more when the guard acts on it.
func guardSteps(m model, d int) []model {
	g := &m.guards[d]
	saw := g.saw
	switch {
	case !g.alive:
		return nil
	case saw != "":
		g.saw, g.look = "", 0
	case g.look == len(looks): // it has seen nothing, and looks again
		g.look = 0
		return only(m)
	case g.token == looks[g.look]:
		if g.idles() {
			g.look = 0
			return nil // it sees this until something changes
		}
		g.saw = g.token
		return only(m)
	default:
		g.look++
		return only(m)
	}
	switch saw {
	case tokenArmed, tokenReturning:
		if g.late && g.token == saw {
			g.token = tokenReleased
		}
	case tokenHandover, tokenReverting:
		if g.late && g.token == saw {
			g.token = tokenGuarding
		}
	case tokenReleased:
		return only(m.opened(d))
	case tokenGuarding:
		return only(m.opened(1 - d))
	case tokenDone:
		g.alive = false
	}
	return only(m)
}

// idles reports whether the guard does nothing in its state before its deadline.
func (g guardModel) idles() bool {
	return !g.late && g.token != tokenReleased && g.token != tokenGuarding && g.token != tokenDone
}
