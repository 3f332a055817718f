package verify

import (
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/big"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/remote"
	"github.com/dcmigrate/migrate/replication"
	"github.com/dcmigrate/migrate/replication/replicationtest"
	"github.com/dcmigrate/migrate/replication/servertest"
)

// number computes rowNumber of MariaDB.
func number(text []byte, crc32c bool) uint64 {
	if !crc32c {
		hash := sha1.Sum(text)
		return binary.BigEndian.Uint64(hash[:8])
	}
	a, b := uint64(crc32.ChecksumIEEE(text)), uint64(crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)))
	return a*b ^ (a<<32 | b)
}

// TestChunkHashIsMadeOfItsRows: a chunk's hash on MariaDB has every row once, with and
// without CRC32C, beginning with the first statement of a session.
func TestChunkHashIsMadeOfItsRows(t *testing.T) {
	s := servertest.Start(t, servertest.MariaDB)
	const rows = " SELECT seq * 184467440737095516, UNHEX(REPEAT(SHA1(seq), seq % 15)), IF(seq % 3, seq / 7, NULL) FROM seq_1_to_100"
	s.Exec("CREATE DATABASE app", "USE app",
		"CREATE TABLE keyed (id BIGINT UNSIGNED PRIMARY KEY, t VARBINARY(300), f DOUBLE)", "INSERT INTO keyed"+rows,
		"CREATE TABLE keyless (id BIGINT UNSIGNED, t VARBINARY(300), f DOUBLE)", "INSERT INTO keyless"+rows,
		"CREATE TABLE long_ones (id INT PRIMARY KEY, a LONGBLOB, b MEDIUMTEXT, c TEXT)",
		"INSERT INTO long_ones SELECT seq, REPEAT('x', seq * 5000), IF(seq % 2, REPEAT('y', 60000), NULL), REPEAT('z', 60000) FROM seq_1_to_100",
		"CREATE TABLE whole (t VARBINARY(300) NOT NULL PRIMARY KEY)", "INSERT INTO whole VALUES ('')", "INSERT INTO whole SELECT REPEAT(CHAR(seq), seq) FROM seq_1_to_99")
	pair := replication.Pair{Name: "main", Source: replicationtest.Server(t, s, replication.Source, remote.NewLocal("source")), Target: replicationtest.Server(t, s, replication.Target, remote.NewLocal("target"))}
	tables, err := allShapes(t.Context(), pair.Source, "app")
	require.NoError(t, err)
	require.Len(t, tables, 4)
	for _, table := range tables {
		for _, crc32c := range []bool{true, false} {
			w, err := newVerifier(pair, Options{}).openConn(t.Context(), pair.Source)
			require.NoError(t, err)
			defer w.Close()
			table.crc32c = crc32c
			for range 2 {
				got, err := w.hash(t.Context(), table, "TRUE")
				require.NoError(t, err)
				require.Equal(t, digest{100, wantHash(t, w, table)}, got, "%s, crc32c %v", table.Title(), crc32c)
			}
		}
	}
}

// wantHash computes the hash of a table from the texts of its rows: their XOR, or their
// sum without a key.
func wantHash(t *testing.T, c *conn, table *tableShape) string {
	size := "0"
	if table.Name == "long_ones" {
		size = "LENGTH(a) + COALESCE(LENGTH(b), 0)"
	}
	require.Less(t, maxChecksummed, 100*5000, "some rows are large")
	texts, err := c.Texts(t.Context(), "SELECT "+table.rowText(c.dialect)+", "+size+" FROM "+table.Quoted())
	require.NoError(t, err)
	var xor, total big.Int
	for _, text := range texts {
		long, err := strconv.Atoi(text[1])
		require.NoError(t, err)
		n := new(big.Int).SetUint64(number([]byte(text[0]), table.crc32c && long <= maxChecksummed))
		xor.Xor(&xor, n)
		total.Add(&total, n)
	}
	if len(table.keyCols) == 0 {
		return total.String()
	}
	return xor.String()
}

// TestNumbersOfRowsAreNotLinear: values that change places between rows, and the same
// change of two rows, vanish from the XOR of checksums but not from the XOR of numbers.
func TestNumbersOfRowsAreNotLinear(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	row := func(key, value int) []byte { return fmt.Appendf(nil, "%08d,some text,%08d,more", key, value) }
	crc := func(text []byte) uint64 { return uint64(crc32.ChecksumIEEE(text)) }
	for range 20_000 {
		k1, k2, v1, v2 := random.IntN(1e8), random.IntN(1e8), random.IntN(1e8), random.IntN(1e8)
		if k1 == k2 || v1 == v2 {
			continue
		}
		a, b, c, d := row(k1, v1), row(k2, v2), row(k1, v2), row(k2, v1)
		require.Equal(t, crc(a)^crc(b), crc(c)^crc(d), "a CRC is linear")
		require.NotEqual(t, number(a, true)^number(b, true), number(c, true)^number(d, true), "%s and %s change their values", a, b)
		require.NotEqual(t, number(a, true)^number(d, true), number(b, true)^number(c, true), "%s and %s get the same value", a, d)
	}
}
