// Package inventory holds the model of a captured host and its store: versioned
// JSON, and the contents of configuration files beside it. It needs a folder and
// contacts no host. It promises that what Save wrote is what Load returns, that
// files are replaced whole or not at all, and that a file of another version is
// read or refused by the versions that it names. The store holds no secret: in
// its place stands a token that only the project's own key can make (see
// redact.Redactor). The packages below capture hosts, find what an operator
// should know, compare hosts, export them and show them.
package inventory
