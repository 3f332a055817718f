package provision

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/plan"
)

// tagsOp makes the site's tags. Firewalls can name a tag only after it exists.
type tagsOp struct {
	cloud Tags
	want  []string
}

// newTags returns the step that makes the tags of the site and its roles.
func newTags(cloud Tags, site Site) plan.Step {
	want := site.tags()
	return plan.Step{Name: "tags", Summary: "make tags " + strings.Join(want, ", "), Op: &tagsOp{cloud, want}}
}

// tagsBefore holds the tags of the site that existed.
type tagsBefore struct {
	Tags []string `json:"tags"`
}

// split returns which of the wanted tags exist and which do not.
func (op *tagsOp) split(ctx context.Context) (have, missing []string, err error) {
	all, err := op.cloud.ListTags(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("list tags: %w", err)
	}
	for _, t := range op.want {
		if slices.ContainsFunc(all, func(other string) bool { return strings.EqualFold(t, other) }) {
			have = append(have, t)
		} else {
			missing = append(missing, t)
		}
	}
	return have, missing, nil
}

func (op *tagsOp) Check(ctx context.Context) (plan.State, error) {
	have, missing, err := op.split(ctx)
	if err != nil {
		return plan.State{}, err
	}
	s := plan.State{
		Done: len(missing) == 0,
		Now:  fmt.Sprintf("%d of %d tags", len(have), len(op.want)),
		Want: strings.Join(op.want, ", "),
	}
	s.Before, err = json.Marshal(tagsBefore{have})
	return s, err
}

func (op *tagsOp) Apply(ctx context.Context) error {
	_, missing, err := op.split(ctx)
	if err != nil {
		return err
	}
	for _, t := range missing {
		if err := op.cloud.CreateTag(ctx, t); err != nil {
			return fmt.Errorf("make tag %s: %w", t, err)
		}
	}
	return nil
}

func (op *tagsOp) Verify(ctx context.Context) error {
	_, missing, err := op.split(ctx)
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("tags are missing: %s", strings.Join(missing, ", "))
	}
	return err
}

func (op *tagsOp) Undo(ctx context.Context, before json.RawMessage) error {
	was, err := ReadBefore[tagsBefore](before)
	if err != nil {
		return err
	}
	have, _, err := op.split(ctx)
	if err != nil {
		return err
	}
	for _, t := range have {
		if slices.Contains(was.Tags, t) {
			continue
		}
		if err := op.cloud.DeleteTag(ctx, t); err != nil {
			return fmt.Errorf("delete tag %s: %w", t, err)
		}
	}
	return nil
}
