// Package statement says what a statement of a binlog does to tables and schemas.
//
// A statement is recognised only by its whole shape. Anything else is taken for the worst:
// it may have changed all that it names, and if it names nothing that is known, everything.
// The text is read as the server that logged it reads it: with its comments that run as
// SQL, in the client's character set, under the session's sql_mode. What stands in
// comments and literals names nothing.
package statement
