// Package inventory is the model of a captured host, and its store: versioned JSON and
// the contents of configuration files beside it. It needs no host. A secret is
// never stored: in its place stands a token that only the project's own key can
// make (see redact.Redactor). The rooms below capture hosts, find what an operator
// should know, compare, export and show them.
package inventory
