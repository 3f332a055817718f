package dns

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/report"
)

// Image is the before-image of one flipped record: what its undo puts back, and
// what the flip made of it. It leaves out what other steps change (the TTL) and
// what nobody here changes (comments, tags, settings).
type Image struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Type    string `json:"type"`
	Proxied bool   `json:"proxied"`
	Content string `json:"content"`
	To      string `json:"to"`
}

// TTLImage is the before-image of one record's TTL.
type TTLImage struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
	TTL  int    `json:"ttl"`
	To   int    `json:"to"`
}

// encode marshals images in a stable order, given by the goals'.
func encode[T any](images []T) (json.RawMessage, error) {
	if images == nil {
		images = []T{}
	}
	b, err := json.Marshal(images)
	if err != nil {
		return nil, fmt.Errorf("write before-image: %w", err)
	}
	return b, nil
}

// decode reads a before-image; none is no images: the step never saw its records.
func decode[T any](before json.RawMessage) ([]T, error) {
	if len(before) == 0 {
		return nil, nil
	}
	var images []T
	if err := json.Unmarshal(before, &images); err != nil {
		return nil, fmt.Errorf("read before-image: %w", err)
	}
	return images, nil
}

// ImagesOf reads a flip's before-image from the journal.
func ImagesOf(before json.RawMessage) ([]Image, error) { return decode[Image](before) }

// TTLImagesOf reads the before-image of a LowerTTL step from the journal.
func TTLImagesOf(before json.RawMessage) ([]TTLImage, error) { return decode[TTLImage](before) }

// goneError names records that no longer exist.
func goneError(zone Zone, names []string) error {
	slices.Sort(names)
	return report.WithHint(fmt.Errorf("%s: %s: %w", zone.Name, strings.Join(names, ", "), ErrRecordGone),
		"somebody deleted it after it was derived: make it again by hand, or run migrate plan to leave it out")
}

// changedError says that somebody else changed a record.
func changedError(name, kind, now, ours, before string) error {
	return report.WithHint(
		fmt.Errorf("%s %s was changed by somebody else: it is %s, neither %s (this move's value) nor %s (before the move)", name, kind, now, ours, before),
		"look at the record; to overwrite it all the same, run the same command with --force")
}
