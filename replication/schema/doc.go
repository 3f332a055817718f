// Package schema lists, reads and creates what defines a database: schemas, tables,
// sequences, views, routines, triggers and events. It needs logins that may see all
// definitions. An object that it creates has the settings that it was made with; events
// stay off on the passive side. It goes through very many tables in batches, so that
// memory stays small.
package schema
