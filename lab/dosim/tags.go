package dosim

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var tagNamePattern = regexp.MustCompile(`^[a-zA-Z0-9_\-:]{1,255}$`)

type tag struct{ name string }

// tagged is a resource that can have tags.
type tagged struct {
	kind, id string
	tags     *[]string
}

// taggable returns all resources that can have tags.
func (s *Sim) taggable() []tagged {
	var out []tagged
	for _, d := range sortedValues(s.droplets) {
		out = append(out, tagged{"droplet", strconv.Itoa(d.id), &d.tags})
	}
	for _, m := range sortedValues(s.ownImages) {
		out = append(out, tagged{"image", strconv.Itoa(m.ID), &m.Tags})
	}
	for _, v := range sortedValues(s.volumes) {
		out = append(out, tagged{"volume", v.ID, &v.Tags})
	}
	for _, one := range sortedValues(s.snapshots) {
		if one.ResourceType == "volume" {
			out = append(out, tagged{"volume_snapshot", one.ID, &one.Tags})
		}
	}
	return out
}

// tagView is a tag as the API shows it.
func (s *Sim) tagView(t *tag) any {
	type counted struct {
		Count         int    `json:"count"`
		LastTaggedURI string `json:"last_tagged_uri,omitempty"`
	}
	var all counted
	by := map[string]counted{}
	for _, one := range s.taggable() {
		if slices.Contains(*one.tags, t.name) {
			uri := "https://api.digitalocean.com/v2/" + strings.Replace(one.kind, "volume_snapshot", "snapshot", 1) + "s/" + one.id
			by[one.kind] = counted{by[one.kind].Count + 1, uri}
			all = counted{all.Count + 1, uri}
		}
	}
	return map[string]any{"name": t.name, "resources": map[string]any{
		"count": all.Count, "last_tagged_uri": all.LastTaggedURI, "droplets": by["droplet"], "images": by["image"],
		"volumes": by["volume"], "volume_snapshots": by["volume_snapshot"], "databases": counted{},
	}}
}

// canonicalTag returns the tag's capitalisation when it was first made: tags that
// differ in nothing else are one tag.
func (s *Sim) canonicalTag(name string) string {
	if s.tags[name] == nil {
		for _, t := range s.tags {
			if strings.EqualFold(t.name, name) {
				return t.name
			}
		}
	}
	return name
}

// canonicalTags returns the canonical capitalisation of each tag, once.
func (s *Sim) canonicalTags(names []string) []string {
	var out []string
	for _, name := range names {
		if name = s.canonicalTag(name); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// ensureTags creates the tags that do not exist yet in any capitalisation, as the
// creation of a droplet does.
func (s *Sim) ensureTags(names []string) error {
	for _, name := range names {
		if !tagNamePattern.MatchString(name) {
			return unprocessable("Tag %q contains invalid characters", name)
		}
	}
	for _, name := range names {
		if name = s.canonicalTag(name); s.tags[name] == nil {
			s.tags[name] = &tag{name}
		}
	}
	return nil
}

func (s *Sim) listTags(r *http.Request) (int, any, error) {
	var out []any
	for _, t := range sortedValues(s.tags) {
		out = append(out, s.tagView(t))
	}
	return page(r, "tags", out)
}

func (s *Sim) createTag(r *http.Request) (int, any, error) {
	var in struct {
		Name string `json:"name"`
	}
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	if err := s.ensureTags([]string{in.Name}); err != nil { // only this endpoint has another form of error
		text := "Error validating resource tag: " + err.Error()
		return 0, nil, &apiError{status: http.StatusBadRequest, message: text, body: map[string]any{
			"error": text, "messages": nil, "root_causes": []string{text},
		}}
	}
	return object(http.StatusCreated, "tag", s.tagView(s.tags[s.canonicalTag(in.Name)]))
}

func (s *Sim) getTag(r *http.Request) (int, any, error) {
	t := s.tags[r.PathValue("tag")]
	if t == nil {
		return 0, nil, notFound()
	}
	return object(http.StatusOK, "tag", s.tagView(t))
}

// deleteTag also removes the tag from everything that has it.
func (s *Sim) deleteTag(r *http.Request) (int, any, error) {
	t := s.tags[r.PathValue("tag")]
	if t == nil {
		return 0, nil, notFound()
	}
	delete(s.tags, t.name)
	for _, one := range s.taggable() {
		*one.tags = without(*one.tags, t.name)
	}
	for _, f := range s.firewalls {
		f.Tags = without(f.Tags, t.name)
	}
	s.enforceChangedRules()
	return noContent()
}

func (s *Sim) tagResources(r *http.Request) (int, any, error) {
	return s.changeTagged(r, func(tags []string, name string) []string {
		if slices.Contains(tags, name) {
			return tags
		}
		return append(tags, name)
	})
}

func (s *Sim) untagResources(r *http.Request) (int, any, error) {
	return s.changeTagged(r, without)
}

func (s *Sim) changeTagged(r *http.Request, change func(tags []string, tag string) []string) (int, any, error) {
	t := s.tags[r.PathValue("tag")]
	if t == nil {
		return 0, nil, notFound()
	}
	var in struct {
		Resources []struct {
			ID   identifier `json:"resource_id"`
			Type string     `json:"resource_type"`
		} `json:"resources"`
	}
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	all := s.taggable()
	var found []tagged
	for _, resource := range in.Resources {
		i := slices.IndexFunc(all, func(one tagged) bool { return one.kind == resource.Type && one.id == string(resource.ID) })
		if i < 0 {
			return 0, nil, notFound()
		}
		found = append(found, all[i])
	}
	for _, one := range found {
		*one.tags = change(*one.tags, t.name)
	}
	s.enforceChangedRules()
	return noContent()
}

// without returns a new list without the value.
func without[T comparable](list []T, value T) []T {
	out := make([]T, 0, len(list))
	for _, other := range list {
		if other != value {
			out = append(out, other)
		}
	}
	return out
}
