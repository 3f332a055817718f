package move

import "github.com/dcmigrate/migrate/plan"

// History is the journal so far; the live one while a verb runs.
func (m *Move) History() (*plan.History, error) {
	m.mu.Lock()
	j := m.journal
	m.mu.Unlock()
	if j != nil {
		return j.History(), nil
	}
	events, err := plan.ReadJournal(m.journalPath())
	if err != nil {
		return nil, err
	}
	return plan.Fold(events), nil
}
