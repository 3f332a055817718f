// Package wire is a connection on which rows travel as the bytes of the protocol,
// without being made into Go values. It pipelines questions and sends several
// statements in a packet where the server takes them. Its login is the library's.
package wire
