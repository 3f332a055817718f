package replicationtest

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// RandomChain is a schema of tables that refer to each other by foreign keys that act.
type RandomChain struct {
	Create []string   // the statements that make the tables and their rows; # is the schema
	Tables []string   // the tables' names
	Steps  [][]string // statements that change rows, some of which the server refuses
}

// chainTable is a table of a RandomChain.
type chainTable struct {
	name     string
	referred []string // the columns that its children refer to
	foreign  []string // its own columns of the first foreign key
	parent   *chainTable
	hasID    bool
}

// DrawChain generates tables up to five levels deep, with keys that hold their parent's,
// unique references, tables without a key, references to themselves, and all actions; and
// changes of their rows.
func DrawChain() *rapid.Generator[RandomChain] {
	return rapid.Custom(func(t *rapid.T) RandomChain {
		out := RandomChain{Create: []string{"CREATE TABLE #.t0 (id INT PRIMARY KEY, v INT)", "CREATE TABLE #.other (id INT PRIMARY KEY, v INT)"}, Tables: []string{"t0", "other"}}
		tables := []*chainTable{{name: "t0", referred: []string{"id"}, hasID: true}}
		for i := range rapid.IntRange(2, 5).Draw(t, "tables") {
			parent := tables[max(0, len(tables)-1-rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "parent"))]
			c := drawChainTable(t, fmt.Sprintf("t%d", i+1), parent)
			out.Create, out.Tables, tables = append(out.Create, c.create), append(out.Tables, c.name), append(tables, c.chainTable)
		}
		for id := range 8 {
			out.Create = append(out.Create, fmt.Sprintf("INSERT INTO #.t0 VALUES (%d, 0)", id+1))
		}
		for id := range 20 {
			out.Create = append(out.Create, fmt.Sprintf("INSERT INTO #.other VALUES (%d, 0)", id+1))
		}
		for _, c := range tables[1:] {
			for range 2 {
				out.Create = append(out.Create, c.insert(t))
			}
		}
		for range rapid.IntRange(2, 4).Draw(t, "steps") {
			var step []string
			for range rapid.IntRange(3, 12).Draw(t, "changes") {
				step = append(step, drawChange(t, rapid.SampledFrom(tables).Draw(t, "table"))...)
			}
			out.Steps = append(out.Steps, step)
		}
		return out
	})
}

type drawnTable struct {
	*chainTable
	create string
}

func drawChainTable(t *rapid.T, name string, parent *chainTable) drawnTable {
	c := &chainTable{name: name, parent: parent, hasID: true, referred: []string{"id"}}
	var columns []string
	for i := range parent.referred {
		c.foreign = append(c.foreign, fmt.Sprintf("f%d", i))
		columns = append(columns, fmt.Sprintf("f%d INT", i))
	}
	list := strings.Join(c.foreign, ",")
	keys := ""
	deletes, updates := []string{"CASCADE", "CASCADE", "CASCADE", "SET NULL", "NO ACTION"}, []string{"CASCADE", "CASCADE", "SET NULL", "NO ACTION"}
	switch rapid.SampledFrom([]string{"plain", "plain", "plain", "in key", "in key", "unique", "referred", "no key"}).Draw(t, "kind") {
	case "plain":
		keys = "id INT PRIMARY KEY, KEY (" + list + ")"
	case "in key":
		deletes, updates = []string{"CASCADE", "CASCADE", "NO ACTION"}, []string{"CASCADE", "CASCADE", "NO ACTION"}
		columns = strings.Split(strings.ReplaceAll(strings.Join(columns, ","), " INT", " INT NOT NULL"), ",")
		keys = "n INT, PRIMARY KEY (" + list + ", n)"
		c.hasID, c.referred = false, append(append([]string{}, c.foreign...), "n")
	case "unique":
		keys = "id INT PRIMARY KEY, UNIQUE KEY (" + list + ")"
	case "referred":
		keys = "id INT PRIMARY KEY, UNIQUE KEY (" + list + ")"
		c.referred = c.foreign
	case "no key":
		keys = "id INT UNIQUE, KEY (" + list + ")"
	}
	definitions := append(columns, "v INT", keys, fmt.Sprintf("FOREIGN KEY (%s) REFERENCES #.%s (%s) ON DELETE %s ON UPDATE %s", list, parent.name, strings.Join(parent.referred, ","),
		rapid.SampledFrom(deletes).Draw(t, "on delete"), rapid.SampledFrom(updates).Draw(t, "on update")))
	if c.hasID && rapid.IntRange(0, 3).Draw(t, "itself") == 0 && strings.HasPrefix(keys, "id INT PRIMARY") {
		definitions = append(definitions, "up INT, FOREIGN KEY (up) REFERENCES #."+name+" (id) ON DELETE "+rapid.SampledFrom([]string{"CASCADE", "SET NULL"}).Draw(t, "itself"))
	}
	return drawnTable{c, "CREATE TABLE #." + name + " (" + strings.Join(definitions, ", ") + ")"}
}

// insert inserts a row for each row of the parent, as far as the server takes it.
func (c *chainTable) insert(t *rapid.T) string {
	if c.parent == nil {
		return fmt.Sprintf("INSERT IGNORE INTO #.%s VALUES (%d, 0)", c.name, rapid.IntRange(1, 12).Draw(t, "id"))
	}
	n := rapid.IntRange(0, 9).Draw(t, "n")
	own, value := "n", fmt.Sprint(n)
	if c.hasID {
		own, value = "id", fmt.Sprintf("v + %s + %d", c.parent.referred[0], n)
	}
	var referred []string
	for _, name := range c.parent.referred {
		referred = append(referred, "p."+name)
	}
	return fmt.Sprintf("INSERT IGNORE INTO #.%s (%s,%s,v) SELECT %s, %s, 0 FROM #.%s p WHERE p.%s %% 3 = %d", c.name, strings.Join(c.foreign, ","), own,
		strings.Join(referred, ","), value, c.parent.name, c.parent.referred[0], n%3)
}

func drawChange(t *rapid.T, c *chainTable) []string {
	n := rapid.IntRange(1, 9).Draw(t, "n")
	where := fmt.Sprintf(" WHERE %s %% 9 = %d", c.referred[0], n)
	last := c.referred[len(c.referred)-1]
	switch rapid.SampledFrom([]string{"touch", "touch", "move", "move", "delete", "delete", "insert", "insert", "retake", "others", "others", "alter", "unchecked"}).Draw(t, "change") {
	case "touch":
		return []string{"UPDATE #." + c.name + " SET v = v + 1" + where}
	case "move":
		return []string{fmt.Sprintf("UPDATE #.%s SET %s = %d%s", c.name, last, rapid.IntRange(1, 14).Draw(t, "to"), where)}
	case "delete":
		return []string{"DELETE FROM #." + c.name + where}
	case "retake":
		return []string{"DELETE FROM #." + c.name + where, c.insert(t)}
	case "others":
		return []string{"UPDATE #.other SET v = v + 1"}
	case "alter":
		if rapid.IntRange(0, 3).Draw(t, "alter") > 0 {
			return []string{"UPDATE #.other SET v = v + 1 WHERE id < 9"}
		}
		return []string{fmt.Sprintf("ALTER TABLE #.%s ADD COLUMN more%d INT", c.name, rapid.IntRange(0, 1<<30).Draw(t, "name"))}
	case "unchecked":
		return []string{"SET foreign_key_checks = 0", "DELETE FROM #." + c.name + where, "SET foreign_key_checks = 1"}
	}
	return []string{c.insert(t)}
}
