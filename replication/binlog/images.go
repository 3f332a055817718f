package binlog

import (
	"slices"

	logevent "github.com/go-mysql-org/go-mysql/replication"

	"github.com/dcmigrate/migrate/replication/table"
)

// Change is what an event does to its rows.
type Change int

// The changes.
const (
	Insert Change = iota
	Update
	Delete
)

// Images are the rows of one event. A row that was inserted or deleted has one image, one
// that was updated has two. How much an image holds is the choice of the session that
// changed the row (binlog_row_image): a column may be in one image only, or in none.
type Images struct {
	Change Change
	Count  int // of changed rows

	event  *logevent.RowsEvent
	table  *Table
	places []int
}

// Images returns the rows of an event. ok is false if the event has another shape than the
// table, because DDL has run.
func (t *Table) Images(e *logevent.RowsEvent) (images Images, ok bool) {
	places, ok := t.Places(e)
	if !ok {
		return Images{}, false
	}
	images = Images{Change: Update, Count: len(e.Rows) / 2, event: e, table: t, places: places}
	switch e.Type() {
	case logevent.EnumRowsEventTypeInsert:
		images.Change, images.Count = Insert, len(e.Rows)
	case logevent.EnumRowsEventTypeDelete:
		images.Change, images.Count = Delete, len(e.Rows)
	case logevent.EnumRowsEventTypeUpdate, logevent.EnumRowsEventTypeUnknown: // unknown to the library's Type: an update of parts of JSON
	}
	return images, true
}

// Columns are columns and their places in the images; -1 is none.
type Columns struct {
	columns []table.Column
	places  []int
}

// Find finds columns of the table in the images.
func (i Images) Find(columns []table.Column) Columns {
	out := Columns{columns, make([]int, len(columns))}
	for n, c := range columns {
		out.places[n] = -1
		if at := slices.IndexFunc(i.table.Columns, func(l Column) bool { return l.Name == c.Name }); at >= 0 {
			out.places[n] = i.places[at]
		}
	}
	return out
}

// Reading says how much of the values of columns the images tell.
type Reading int

// The readings.
const (
	Complete Reading = iota // all of them
	WithNull                // one is NULL
	Missing                 // one is in no image, or cannot be read
)

// Before returns the values that columns had before a row was updated or deleted: several
// if their bytes can be read in two ways.
func (i Images) Before(c Columns, row int) ([]table.Key, Reading) {
	if i.Change == Update {
		return i.keys(c, 2*row, -1)
	}
	return i.keys(c, row, -1)
}

// After returns the values that columns have since a row was inserted or updated. A column
// that only the image before has was not changed.
func (i Images) After(c Columns, row int) ([]table.Key, Reading) {
	if i.Change == Update {
		return i.keys(c, 2*row+1, 2*row)
	}
	return i.keys(c, row, -1)
}

// Changes reports whether an update may have changed one of the columns.
func (i Images) Changes(c Columns, row int) bool {
	before, after := 2*row, 2*row+1
	return slices.ContainsFunc(c.places, func(place int) bool {
		if !i.has(after, place) {
			return place < 0
		}
		return !i.has(before, place) || !sameValue(i.event.Rows[before][place], i.event.Rows[after][place])
	})
}

func sameValue(a, b any) bool {
	x, isBytes := a.([]byte)
	y, areBytes := b.([]byte)
	if isBytes || areBytes {
		return isBytes && areBytes && string(x) == string(y)
	}
	return a == b
}

// has reports whether an image has a column.
func (i Images) has(image, place int) bool {
	return image >= 0 && image < len(i.event.Rows) && place >= 0 && place < len(i.event.Rows[image]) &&
		(image >= len(i.event.SkippedColumns) || !slices.Contains(i.event.SkippedColumns[image], place))
}

// keys reads columns from an image, or from another one, which is -1 if there is none.
func (i Images) keys(c Columns, image, other int) (all []table.Key, reading Reading) {
	all = []table.Key{nil}
	for n, place := range c.places {
		from := image
		if !i.has(from, place) {
			from = other
		}
		if !i.has(from, place) {
			return nil, Missing
		}
		value := i.event.Rows[from][place]
		if value == nil {
			reading = WithNull
			continue
		}
		literals := c.columns[n].LogLiterals(value)
		switch len(literals) {
		case 0:
			return nil, Missing
		case 1:
			for k := range all {
				all[k] = append(all[k], literals[0])
			}
			continue
		}
		var next []table.Key
		for _, head := range all {
			for _, l := range literals {
				next = append(next, append(slices.Clone(head), l))
			}
		}
		all = next
	}
	if reading == WithNull {
		return nil, WithNull
	}
	return all, Complete
}
