// Package phrase puts values into the words that reports, notes and errors share, so
// that a size or a long list reads the same wherever it stands. It needs nothing of
// the module, and it promises that equal values make equal texts.
package phrase

import (
	"fmt"
	"math"
	"strings"
)

const units = "KMGTPE"

// Bytes is a number of bytes with one digit behind the point and a binary unit, such
// as "1.5 GiB". Below 1 KiB it is exact, such as "512 B". Notes and progress use
// it: a value that grows keeps its place on the line.
func Bytes(n int64) string {
	value, unit := float64(n), -1
	// 1023.95 is the least that would be printed as "1024.0".
	for least := 1024.0; math.Abs(value) >= least && unit < len(units)-1; least = 1023.95 {
		value, unit = value/1024, unit+1
	}
	if unit < 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}

// Size is a number of bytes with three digits and a binary unit, such as "1.23 GiB",
// "12.3 GiB" or "123 GiB". Tables of an inventory use it: disks and memory are
// compared by their first digits.
func Size(n int64) string {
	value, unit := float64(n), -1
	for value >= 1000 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	switch {
	case unit < 0:
		return fmt.Sprintf("%d B", n)
	case value < 10:
		return fmt.Sprintf("%.2f %ciB", value, units[unit])
	case value < 100:
		return fmt.Sprintf("%.1f %ciB", value, units[unit])
	}
	return fmt.Sprintf("%.0f %ciB", value, units[unit])
}

// FirstOf lists the first n of items and counts the others: "a, b and 3 more".
func FirstOf(n int, items []string) string {
	if len(items) <= n {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:n], ", "), len(items)-n)
}

// Cut is text with at most n letters, the last of them an ellipsis where some are missing.
func Cut(text string, n int) string {
	if letters := []rune(text); len(letters) > n {
		return string(letters[:n-1]) + "…"
	}
	return text
}

// OneLine is text on one line: each run of white space becomes one space.
func OneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
