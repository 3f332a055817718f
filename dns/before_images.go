package dns

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dcmigrate/migrate/report"
)

// Image is the before-image of one flipped record: the content that the undo puts
// back, and the content that the flip wrote (To). It leaves out the TTL, which other
// steps change, and comments, tags and settings, which no step changes.
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

// encodeImages marshals images in the order of the goals, which is stable.
func encodeImages[T any](images []T) (json.RawMessage, error) {
	if images == nil {
		images = []T{}
	}
	b, err := json.Marshal(images)
	if err != nil {
		return nil, fmt.Errorf("write before-image: %w", err)
	}
	return b, nil
}

// decodeImages reads a before-image. An empty one holds no images: the step never
// saw its records.
func decodeImages[T any](before json.RawMessage) ([]T, error) {
	if len(before) == 0 {
		return nil, nil
	}
	var images []T
	if err := json.Unmarshal(before, &images); err != nil {
		return nil, fmt.Errorf("read before-image: %w", err)
	}
	return images, nil
}

// ParseImages reads a flip's before-image as the journal holds it.
func ParseImages(before json.RawMessage) ([]Image, error) { return decodeImages[Image](before) }

// ParseTTLImages reads the before-image of a LowerTTL step as the journal holds it.
func ParseTTLImages(before json.RawMessage) ([]TTLImage, error) {
	return decodeImages[TTLImage](before)
}

// goneError returns the error for records that no longer exist.
func goneError(zone Zone, records []string) error {
	slices.Sort(records)
	return report.WithHint(fmt.Errorf("%s: %s: %w", zone.Name, strings.Join(records, ", "), ErrRecordGone),
		"somebody deleted it after it was derived: make it again by hand, or run migrate plan to leave it out")
}

// changedError returns the error for a record that somebody else has changed.
func changedError(name, kind, now, moveValue, earlierValue string) error {
	return report.WithHint(
		fmt.Errorf("%s %s was changed by somebody else: it is %s, neither %s (this move's value) nor %s (before the move)", name, kind, now, moveValue, earlierValue),
		"look at the record; to overwrite it all the same, run the same command with --force")
}
