// Package physical makes the first full copy by the server's own files, where that
// can be had and is expected to be faster: mariadb-backup on MariaDB, CLONE on
// MySQL. It decides which method a pair takes, swaps data directories so that a
// crash in between is mended by the next run, and can put the old one back.
package physical
