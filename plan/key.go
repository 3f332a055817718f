package plan

import (
	"fmt"
	"strings"
)

// Key names a step within a migration: the plan's kind, the stage's name and
// the step's. It is the same in every run, so the journal finds by it what
// earlier runs did. Its zero value stands for no step.
type Key struct{ Kind, Stage, Step string }

// ParseKey reads what String writes. Only a step's name may hold a slash.
func ParseKey(text string) (Key, error) {
	parts := strings.SplitN(text, "/", 3)
	if len(parts) < 3 {
		return Key{}, fmt.Errorf("%q is not kind/stage/step", text)
	}
	return Key{parts[0], parts[1], parts[2]}, nil
}

// String returns kind/stage/step, or "" for the zero Key.
func (k Key) String() string {
	if k.IsZero() {
		return ""
	}
	return k.Kind + "/" + k.Stage + "/" + k.Step
}

// IsZero reports whether the Key names no step.
func (k Key) IsZero() bool { return k == Key{} }

// MarshalText writes the Key as String does.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (k *Key) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*k = Key{}
		return nil
	}
	*k, err = ParseKey(string(text))
	return err
}
