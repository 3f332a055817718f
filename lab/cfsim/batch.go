package cfsim

// batchInput is the body of a batch.
type batchInput struct {
	Deletes []recordInput `json:"deletes"`
	Patches []recordInput `json:"patches"`
	Puts    []recordInput `json:"puts"`
	Posts   []recordInput `json:"posts"`
}

// batchResult holds the records that a batch changed, in the order of its lists.
type batchResult struct {
	Deletes []*Record `json:"deletes"`
	Patches []*Record `json:"patches"`
	Puts    []*Record `json:"puts"`
	Posts   []*Record `json:"posts"`
}

// batchRecords applies deletes, patches, puts and posts, in this order and each in the
// order of its list, as one transaction. After the first error, which it returns,
// nothing is applied.
func (s *Sim) batchRecords(c *call) (answer, error) {
	var in batchInput
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	n := len(in.Deletes) + len(in.Patches) + len(in.Puts) + len(in.Posts)
	if n > s.plan.batch {
		return answer{}, invalid(codeBatchLimit, "Batch has %d records, exceeding the limit of %d.", n, s.plan.batch)
	}
	if n == 0 {
		return answer{}, invalid(codeBadBody, "Request body is invalid: no records.")
	}
	return s.changeZone(c, func(_ *zone, t *tx) (any, error) { return s.runBatch(t, in) })
}

func (s *Sim) runBatch(t *tx, in batchInput) (*batchResult, error) {
	out := &batchResult{Deletes: []*Record{}, Patches: []*Record{}, Puts: []*Record{}, Posts: []*Record{}}
	for _, list := range []struct {
		inputs []recordInput
		into   *[]*Record
		action func(recordInput) (*Record, error)
	}{
		{in.Deletes, &out.Deletes, func(r recordInput) (*Record, error) { return t.remove(r.ID) }},
		{in.Patches, &out.Patches, func(r recordInput) (*Record, error) { return s.patch(t, r.ID, r) }},
		{in.Puts, &out.Puts, func(r recordInput) (*Record, error) { return s.put(t, r.ID, r) }},
		{in.Posts, &out.Posts, func(r recordInput) (*Record, error) { return s.post(t, r) }},
	} {
		for _, input := range list.inputs {
			r, err := list.action(input)
			if err != nil {
				return nil, err
			}
			*list.into = append(*list.into, r)
		}
	}
	return out, nil
}
