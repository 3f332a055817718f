package replication

import "fmt"

// alikeTables lets tables of one shape share what tells it: a host of blogs has
// hundreds of thousands of tables of a dozen shapes, all of them in memory.
type alikeTables map[string]*seedTable

// share makes t share what it has in common with one before, and forget the
// text that it was made by, if it will not be made again.
func (a alikeTables) share(t *seedTable) {
	if t.sequence || !t.chunked() {
		return
	}
	t.object.Create = ""
	shape := fmt.Sprintf("%#v %#v %#v %q %q %v", t.Columns, t.log.columns, t.log.keys, t.log.unused, t.keyName, t.keyAt)
	first, ok := a[shape]
	if !ok {
		a[shape] = t
		return
	}
	t.Columns, t.keyName, t.keyCols, t.keyAt = first.Columns, first.keyName, first.keyCols, first.keyAt
	t.log.columns, t.log.keys, t.log.unused = first.log.columns, first.log.keys, first.log.unused
}
