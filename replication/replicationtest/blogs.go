package replicationtest

import (
	"fmt"

	"github.com/dcmigrate/migrate/replication/servertest"
)

// MakeBlogs makes one database a blog, as a host of blogs has them: twelve tables
// each, with three rows in every table.
func MakeBlogs(s *servertest.Instance, blogs int) {
	for i := range blogs {
		statements := []string{fmt.Sprintf("CREATE DATABASE blog%d", i)}
		for j := range 12 {
			statements = append(statements, BlogTable(fmt.Sprintf("blog%d.wp_%d", i, j))...)
		}
		s.Exec(statements...)
	}
}

// BlogTable returns the statements that create and fill one table of a blog.
func BlogTable(table string) []string {
	return []string{
		"CREATE TABLE " + table + ` (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, post BIGINT NOT NULL DEFAULT 0,
			name VARCHAR(191), value LONGTEXT, KEY post (post), KEY name (name))`,
		"INSERT INTO " + table + " (post, name, value) VALUES (1, 'a', 'x'), (2, 'b', REPEAT('y', 200)), (3, 'c', NULL)",
	}
}
