// Package house holds the tests of the house rules: which package may import
// which (docs/adr/0013), how large a file or function may become, what is
// written nowhere, and that the documents and examples say what the code does.
package house
