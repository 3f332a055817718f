// Package secret holds Value, the type of every password and token in the program.
//
// It needs no other package. It promises that no way of printing, logging or
// marshalling a Value shows its text (invariant I7).
package secret

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
)

// Redacted is what a Value prints as, in every format.
const Redacted = "[redacted]"

// Value is a secret. It prints, logs and marshals as Redacted. Only Open returns
// the text: call it only where the secret is used (invariant I7).
type Value struct{ text string }

// New wraps text.
func New(text string) Value { return Value{text} }

// Generate returns a new random secret of 26 letters and digits (130 bits).
func Generate() Value { return Value{rand.Text()} }

// Open returns the secret's text.
func (v Value) Open() string { return v.text }

// IsZero reports whether the secret is empty.
func (v Value) IsZero() bool { return v.text == "" }

// String returns Redacted.
func (v Value) String() string { return Redacted }

// Format prints Redacted for every verb. Without it, fmt would print the fields for
// a verb that does not fit a string, such as %d.
func (v Value) Format(f fmt.State, _ rune) { fmt.Fprint(f, Redacted) }

// LogValue returns Redacted for log/slog.
func (v Value) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalJSON writes Redacted.
func (v Value) MarshalJSON() ([]byte, error) { return json.Marshal(Redacted) }

// MarshalText writes Redacted for YAML and other text encodings.
func (v Value) MarshalText() ([]byte, error) { return []byte(Redacted), nil }
