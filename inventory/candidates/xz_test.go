package candidates

import (
	"bytes"
	endian "encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
)

func hungryBlock() []byte {
	block := []byte{2, 0, 0x21, 1, 39, 0, 0, 0} // a dictionary of 3 GiB
	return endian.LittleEndian.AppendUint32(block, crc32.ChecksumIEEE(block))
}

// memoryHungryXZ returns the beginning of a file whose dictionary has 3 GiB.
func memoryHungryXZ() []byte {
	b := []byte{0xfd, '7', 'z', 'X', 'Z', 0, 0, 4}
	b = endian.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b[6:8]))
	return append(append(b, hungryBlock()...), make([]byte, 64)...)
}

// packXZ packs text in blocks, with a check.
func packXZ(t testing.TB, text []byte, c xz.WriterConfig) []byte {
	var b bytes.Buffer
	c.DictCap = 1 << 16 // which takes less time
	w, err := c.NewWriter(&b)
	require.NoError(t, err)
	_, err = w.Write(text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// samples returns texts that pack well, badly or not at all, and an empty one.
func samples() [][]byte {
	chance := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 150_000)
	for i := range noise {
		noise[i] = byte(chance.Uint32())
	}
	return [][]byte{nil, {'x'}, bytes.Repeat([]byte(stanzas("nginx 1", "curl 2")), 1500), noise, append(noise[:70_001:70_001], make([]byte, 70_000)...)}
}

// xzGuard follows blocks, checks and chunks of every kind to the end.
func TestXZ(t *testing.T) {
	for i, text := range samples() {
		for _, check := range []byte{xz.CRC32, xz.CRC64, xz.SHA256} {
			for _, block := range []int64{0, 20_001} {
				packed := packXZ(t, text, xz.WriterConfig{CheckSum: check, BlockSize: block})
				for _, from := range []io.Reader{bytes.NewReader(packed), iotest.HalfReader(bytes.NewReader(packed)), iotest.DataErrReader(bytes.NewReader(packed))} {
					g := newXZGuard(from)
					r, err := xz.ReaderConfig{SingleStream: true}.NewReader(g)
					require.NoError(t, err)
					got, err := io.ReadAll(r)
					require.NoError(t, err)
					require.True(t, bytes.Equal(text, got), "%d %d %d", i, check, block)
					require.Nil(t, g.next, "the index was reached: every block was seen")
				}
			}
		}
	}
}

// The limit also holds for later blocks.
func TestXZOfManyBlocks(t *testing.T) {
	for i, text := range samples() {
		packed := packXZ(t, text, xz.WriterConfig{CheckSum: xz.CRC32, BlockSize: 10_000})
		// another block could begin where the index begins
		end := len(packed) - 12
		index := end - int(4*(endian.LittleEndian.Uint32(packed[end+4:])+1))
		hungry := append(append(packed[:index:index], hungryBlock()...), make([]byte, 100)...)
		r, err := newXZ(bytes.NewReader(hungry))
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		require.ErrorIs(t, err, errXZMemory, "%d", i)
	}
}

// No input makes unpacking exceed the memory limit or panic.
func FuzzXZ(f *testing.F) {
	f.Add(memoryHungryXZ())
	f.Add([]byte("\xfd7zXZ\x00"))
	f.Add(packXZ(f, []byte("Package: nginx\nVersion: 1\n"), xz.WriterConfig{BlockSize: 7}))
	f.Fuzz(func(_ *testing.T, data []byte) {
		if r, err := newXZ(bytes.NewReader(data)); err == nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(r, 1<<20))
		}
	})
}
