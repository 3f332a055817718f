package cfsim

import (
	"net/http"
	"time"
)

// tx is a transaction on one zone. It changes the zone immediately, under the Sim's
// lock; rollback undoes the changes in reverse order.
type tx struct {
	z       *zone
	changes []change
}

type change struct{ before, after *Record }

func begin(z *zone) *tx { return &tx{z: z} }

// put adds or replaces a record, unless it conflicts with others of the same name.
func (t *tx) put(r *Record) error {
	if err := t.z.conflict(r); err != nil {
		return err
	}
	before := t.z.records[r.ID]
	t.z.swap(before, r)
	t.changes = append(t.changes, change{before, r})
	return nil
}

// remove deletes a record and returns it.
func (t *tx) remove(id string) (*Record, error) {
	r := t.z.records[id]
	if r == nil {
		return nil, errNoRecord()
	}
	t.z.swap(r, nil)
	t.changes = append(t.changes, change{r, nil})
	return r, nil
}

func (t *tx) rollback() {
	for i := len(t.changes) - 1; i >= 0; i-- {
		t.z.swap(t.changes[i].after, t.changes[i].before)
	}
	t.changes = nil
}

// commit schedules the changes in the view. Each record becomes visible at a time of its
// own.
func (t *tx) commit(now time.Time, visibleAt func() time.Time) {
	if len(t.changes) == 0 {
		return
	}
	t.z.serial++
	t.z.modifiedOn = now
	for _, c := range mergeByRecord(t.changes) {
		at := visibleAt()
		if c.before != nil && (c.after == nil || c.after.Name != c.before.Name) {
			t.z.view.schedule(c.before.Name, c.before.ID, version{at, nil}, now)
		}
		if c.after != nil {
			t.z.view.schedule(c.after.Name, c.after.ID, version{at, c.after}, now)
		}
	}
	t.changes = nil
}

// mergeByRecord merges the changes of each record into one, because no intermediate
// state was visible outside the transaction.
func mergeByRecord(changes []change) []change {
	index := map[string]int{}
	var out []change
	for _, c := range changes {
		r := c.after
		if r == nil {
			r = c.before
		}
		if i, ok := index[r.ID]; ok {
			out[i].after = c.after
			continue
		}
		index[r.ID] = len(out)
		out = append(out, c)
	}
	return out
}

// swap replaces before with after in the zone's maps; either may be nil.
func (z *zone) swap(before, after *Record) {
	if before != nil {
		delete(z.records, before.ID)
		delete(z.byName[before.Name], before.ID)
		if len(z.byName[before.Name]) == 0 {
			delete(z.byName, before.Name)
		}
	}
	if after != nil {
		z.records[after.ID] = after
		if z.byName[after.Name] == nil {
			z.byName[after.Name] = map[string]*Record{}
		}
		z.byName[after.Name][after.ID] = after
	}
}

// conflict returns an error if a record conflicts with others of the same name.
func (z *zone) conflict(r *Record) error {
	address := r.Type == "A" || r.Type == "AAAA"
	for id, other := range z.byName[r.Name] {
		if id == r.ID {
			continue
		}
		switch {
		case r.Type == "CNAME" && proxiable(other.Type):
			return conflicting(codeCNAMEConflict, "An A, AAAA, or CNAME record with that host already exists.")
		case address && other.Type == "CNAME":
			return conflicting(codeHostHasCNAME, "A CNAME record with that host already exists.")
		case r.Name != z.name && (r.Type == "NS") != (other.Type == "NS") && r.Type != "DS" && other.Type != "DS":
			return conflicting(codeNSConflict, "NS records cannot exist on the same name as any other record type.")
		case r.Type != other.Type || r.Content != other.Content:
		case hasPriority(r.Type) && r.Priority != other.Priority:
		case r.TTL == other.TTL && r.Proxied == other.Proxied:
			return conflicting(codeIdenticalRecord, "An identical record already exists.")
		default:
			return conflicting(codeRecordExists, "The record already exists.")
		}
	}
	return nil
}

func conflicting(code int, text string) error {
	return refusal(http.StatusBadRequest, code, "%s", text)
}
