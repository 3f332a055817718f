package digitalocean

import (
	"context"
	"strings"
	"sync"

	"github.com/digitalocean/godo"
)

// tagNames remembers the vendor's capitalisation of tags. Tags that differ in nothing else
// are one tag, and only the capitalisation that it was made with finds it.
type tagNames struct {
	mu    sync.Mutex
	known map[string]string // by the name in lower case
}

func (n *tagNames) learn(names ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = map[string]string{}
	}
	for _, name := range names {
		n.known[strings.ToLower(name)] = name
	}
}

func (n *tagNames) forget(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.known, strings.ToLower(name))
}

func (n *tagNames) find(name string) (string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	canonical, ok := n.known[strings.ToLower(name)]
	return canonical, ok
}

// canonical returns the tags in the vendor's capitalisation. It lists the account's tags
// if one is not known; one that does not exist stays as it is.
func (c *Client) canonical(ctx context.Context, names []string) ([]string, error) {
	out := make([]string, len(names))
	asked := false
	for i, name := range names {
		found, ok := c.tags.find(name)
		if !ok && !asked {
			if _, err := c.ListTags(ctx); err != nil {
				return nil, err
			}
			asked = true
			found, ok = c.tags.find(name)
		}
		if out[i] = name; ok {
			out[i] = found
		}
	}
	return out, nil
}

// ListTags lists the names of the account's tags.
func (c *Client) ListTags(ctx context.Context) ([]string, error) {
	all, err := list(ctx, c.api.Tags.List)
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = t.Name
	}
	c.tags.learn(names...)
	return names, err
}

// CreateTag makes a tag. A tag that exists in another capitalisation stays as it is.
func (c *Client) CreateTag(ctx context.Context, name string) error {
	made, resp, err := c.api.Tags.Create(ctx, &godo.TagCreateRequest{Name: name})
	if err == nil && made != nil {
		c.tags.learn(made.Name)
	}
	return explain(resp, err)
}

// DeleteTag deletes a tag. It is no error if the tag does not exist.
func (c *Client) DeleteTag(ctx context.Context, name string) error {
	names, err := c.canonical(ctx, []string{name})
	if err != nil {
		return err
	}
	resp, err := c.api.Tags.Delete(ctx, names[0])
	if err = ignoreNotFound(explain(resp, err)); err == nil {
		c.tags.forget(name)
	}
	return err
}
