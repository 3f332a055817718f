// Package secret holds the one type that a password or token travels in.
package secret

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
)

// Redacted is what a Value prints as, in every format.
const Redacted = "[redacted]"

// Value is a secret. It prints, logs and marshals as Redacted; Open returns the
// text and is called only where the secret is used (invariant I7).
type Value struct{ text string }

// New wraps text.
func New(text string) Value { return Value{text} }

// Generate returns a new random secret of 26 letters and digits (130 bits).
func Generate() Value { return Value{rand.Text()} }

// Open returns the secret's text.
func (v Value) Open() string { return v.text }

// IsZero reports whether there is no secret.
func (v Value) IsZero() bool { return v.text == "" }

// String is what joins and builders get of a secret.
func (v Value) String() string { return Redacted }

// Format is what fmt prints of a secret, whatever the verb: with one that does
// not fit, such as %d, fmt itself would print the fields.
func (v Value) Format(f fmt.State, _ rune) { fmt.Fprint(f, Redacted) }

// LogValue is what log/slog writes of a secret.
func (v Value) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalJSON is what encoding/json writes of a secret.
func (v Value) MarshalJSON() ([]byte, error) { return json.Marshal(Redacted) }

// MarshalText is what YAML and the like write of a secret.
func (v Value) MarshalText() ([]byte, error) { return []byte(Redacted), nil }
