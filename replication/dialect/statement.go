package dialect

// RunsComment reports whether the server runs the text of a comment /*!version, or, if own
// is true, of /*M!version, as SQL. Version 0 stands for none. MariaDB leaves out the
// versions that only MySQL has had.
func (d *Dialect) RunsComment(own bool, version int) bool {
	if own && !d.isMariaDB() {
		return false
	}
	if version > d.version.major*10000+d.version.minor*100+d.version.patch {
		return false
	}
	return !d.isMariaDB() || own || version < 50700 || version > 99999
}

// ListCollations returns the query for the numbers (id) of all collations, with their
// character sets (charset).
func (d *Dialect) ListCollations() string {
	if d.isMariaDB() && d.atLeast(10, 10, 0) { // one collation has a number for each character set
		return "SELECT ID AS id, CHARACTER_SET_NAME AS charset FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY"
	}
	return "SELECT ID AS id, CHARACTER_SET_NAME AS charset FROM information_schema.COLLATIONS WHERE ID IS NOT NULL"
}
