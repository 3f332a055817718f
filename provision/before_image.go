package provision

import (
	"encoding/json"
	"fmt"
)

// existed is the before-image of a resource that a step only makes or deletes.
type existed struct {
	Existed bool `json:"existed"`
}

// ReadBefore decodes a before-image. An empty one is the zero value.
func ReadBefore[T any](before json.RawMessage) (T, error) {
	var v T
	if len(before) == 0 {
		return v, nil
	}
	if err := json.Unmarshal(before, &v); err != nil {
		return v, fmt.Errorf("read before-image: %w", err)
	}
	return v, nil
}
