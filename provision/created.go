package provision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/dcmigrate/migrate/plan"
	"github.com/dcmigrate/migrate/report"
)

// clockSlack is how far the vendor's clock may be behind the controller's.
const clockSlack = 5 * time.Minute

// created records which droplets this migration has made, in droplets.json in the state
// folder. Only these may be deleted. A tag, a name or a place in the VPC is no proof: a
// person can give them, too.
//
// The vendor has no idempotency token, so a request is recorded before it is sent. If its
// answer is lost, a droplet is taken for its result only if it fits the request and is not
// older than it.
type created struct {
	path string
	mu   sync.Mutex
}

// createdState is the content of droplets.json.
type createdState struct {
	IDs []int `json:"ids"` // of droplets that this migration has made
	// Account is where they were made: a token of another account would find none of them.
	Account string           `json:"account,omitempty"`
	Asked   []createdRequest `json:"asked,omitempty"` // requests whose answers are missing
}

// createdRequest is a request that was sent, and whose answer is missing.
type createdRequest struct {
	Names []string  `json:"names"`
	VPC   string    `json:"vpc"`
	Size  string    `json:"size"`
	At    time.Time `json:"at"`
}

// gave reports whether a droplet may be the result of the request.
func (r createdRequest) gave(d Droplet) bool {
	return slices.Contains(r.Names, d.Name) && d.VPC == r.VPC && d.Size == r.Size && d.Created.After(r.At.Add(-clockSlack))
}

func openCreated(folder string) *created {
	return &created{path: filepath.Join(folder, "droplets.json")}
}

func (c *created) read() (s createdState, err error) {
	data, err := os.ReadFile(c.path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return s, report.WithHint(fmt.Errorf("read which droplets were made: %s: %w", c.path, err),
			"without this file no droplet is deleted: put back a copy, or delete the droplets in the control panel")
	}
	return s, nil
}

// change changes the file, whole or not at all.
func (c *created) change(do func(*createdState)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.read()
	if err != nil {
		return err
	}
	do(&s)
	return report.Wrap("record which droplets were made", plan.WriteJSON(c.path, s))
}

// in records the account before anything is made in it, and returns an error if an
// earlier run made droplets in another one.
func (c *created) in(account string) error {
	s, err := c.read()
	if err != nil || s.Account == account {
		return err
	}
	if s.Account != "" && len(s.IDs)+len(s.Asked) > 0 {
		return report.Permanent(report.WithHint(fmt.Errorf("the token is of another account (%s) than the one that the droplets were made in (%s)", account, s.Account),
			"set the environment variable that provision.digitalocean.token_env names to a token of the first account"))
	}
	return c.change(func(s *createdState) { s.Account = account })
}

// requireAccount asks which account the token is of, if droplets were made in one.
func (c *created) requireAccount(ctx context.Context, cloud Catalog) error {
	s, err := c.read()
	if err != nil || s.Account == "" || len(s.IDs)+len(s.Asked) == 0 {
		return err
	}
	account, err := cloud.Account(ctx)
	if err != nil {
		return fmt.Errorf("read the account: %w", err)
	}
	return c.in(account.ID)
}

// ask records a request that is about to be sent.
func (c *created) ask(r DropletRequest, now time.Time) error {
	return c.change(func(s *createdState) {
		s.Asked = append(s.Asked, createdRequest{Names: r.Names, VPC: r.VPC, Size: r.Size, At: now.UTC()})
	})
}

// refused forgets a request that has made nothing. An earlier one for the same names
// stays: its answer is still missing.
func (c *created) refused(r DropletRequest, at time.Time) error {
	return c.change(func(s *createdState) {
		s.Asked = slices.DeleteFunc(s.Asked, func(asked createdRequest) bool {
			return asked.At.Equal(at) && slices.Equal(asked.Names, r.Names)
		})
	})
}

// made records the droplets of an answer, which end the requests for their names.
func (c *created) made(droplets []Droplet) error {
	return c.change(func(s *createdState) {
		for _, d := range droplets {
			s.add(d)
		}
	})
}

// adopt records those of the droplets that requests without an answer have made.
func (c *created) adopt(droplets []Droplet) error {
	s, err := c.read()
	if err != nil || len(s.Asked) == 0 {
		return err
	}
	return c.change(func(s *createdState) {
		for _, d := range droplets {
			if slices.ContainsFunc(s.Asked, func(r createdRequest) bool { return r.gave(d) }) {
				s.add(d)
			}
		}
	})
}

// add adds a droplet and takes its name off the requests.
func (s *createdState) add(d Droplet) {
	if !slices.Contains(s.IDs, d.ID) {
		s.IDs = append(s.IDs, d.ID)
	}
	for i := range s.Asked {
		s.Asked[i].Names = slices.DeleteFunc(s.Asked[i].Names, func(name string) bool { return name == d.Name })
	}
	s.Asked = slices.DeleteFunc(s.Asked, func(r createdRequest) bool { return len(r.Names) == 0 })
}

// deleted forgets droplets that are gone.
func (c *created) deleted(ids []int) error {
	return c.change(func(s *createdState) {
		s.IDs = slices.DeleteFunc(s.IDs, func(id int) bool { return slices.Contains(ids, id) })
	})
}
