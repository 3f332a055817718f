// Package schema lists, reads and creates what a database is defined by: schemas,
// tables, views, routines, triggers and events. It goes through very many tables
// in batches, so that memory stays small.
package schema
