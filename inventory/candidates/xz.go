package candidates

import (
	endian "encoding/binary"
	"errors"
	"io"

	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// maxDictionary is the memory for unpacking xz, in bytes: the dictionary of xz -9.
const maxDictionary = 64 << 20

var (
	errXZMemory = errors.New("unpack xz: it asks for too much memory")
	errNotXZ    = errors.New("unpack xz: it is not an xz file")
)

// newXZ unpacks xz. The header of each block requests memory, up to 4 GiB, which the
// library would allocate at once: xzGuard prevents that.
func newXZ(packed io.Reader) (io.Reader, error) {
	return xz.ReaderConfig{SingleStream: true}.NewReader(newXZGuard(packed))
}

// xzGuard passes on what it reads, and returns an error at the header of a block that
// requests too much memory. It follows the file from block to block without unpacking,
// see the .xz file format and the chunks in the decoder of LZMA2.
type xzGuard struct {
	from io.Reader
	err  error

	skip int               // number of bytes to skip
	want int               // number of bytes that next needs
	have []byte            // those of them that were read
	next func(have []byte) // sets skip, want and next; nil at the index, after all blocks

	check int // size of a block's check, in bytes
	data  int // size of the block's chunks, modulo 4
}

func newXZGuard(from io.Reader) *xzGuard {
	g := &xzGuard{from: from}
	g.expect(12, g.stream)
	return g
}

func (g *xzGuard) expect(n int, next func([]byte)) { g.want, g.have, g.next = n, g.have[:0], next }

func (g *xzGuard) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	n, err := g.from.Read(p)
	for rest := p[:n]; len(rest) > 0 && g.next != nil; {
		if g.skip > 0 {
			k := min(g.skip, len(rest))
			g.skip, rest = g.skip-k, rest[k:]
			continue
		}
		k := min(g.want-len(g.have), len(rest))
		g.have, rest = append(g.have, rest[:k]...), rest[k:]
		if len(g.have) == g.want {
			if g.next(g.have); g.err != nil {
				return 0, g.err
			}
		}
	}
	return n, err
}

// checkSizes are the sizes of the kinds of checks, in bytes.
var checkSizes = [16]int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}

func (g *xzGuard) stream(have []byte) {
	g.check = checkSizes[have[7]&0xf]
	g.expect(1, g.blockSize)
}

func (g *xzGuard) blockSize(have []byte) {
	if have[0] == 0 {
		g.next = nil
		return
	}
	g.expect(4*(int(have[0])+1)-1, g.block)
}

// block reads a block's header after its size.
func (g *xzGuard) block(have []byte) {
	flags, at := have[0], 1
	for _, flag := range []byte{0x40, 0x80} { // optional sizes before the filter
		for more := flags&flag != 0; more && at < len(have); at++ {
			more = have[at]&0x80 != 0
		}
	}
	const lzma2 = 0x21
	if flags&3 != 0 || at+2 >= len(have) || have[at] != lzma2 || have[at+1] != 1 {
		g.err = errNotXZ // or it has a filter for programs, which indices do not use
		return
	}
	if size, err := lzma.DecodeDictCap(have[at+2]); err != nil || size > maxDictionary {
		g.err = errXZMemory
		return
	}
	g.data = 0
	g.expect(1, g.chunk)
}

// chunk reads the first byte of a chunk of LZMA2.
func (g *xzGuard) chunk(have []byte) {
	g.data++
	switch c := have[0]; {
	case c == 0: // the end of the block, padded to a multiple of four
		g.skip = (4-g.data%4)%4 + g.check
		g.expect(1, g.blockSize)
	case c <= 2: // not packed
		g.expect(2, func(have []byte) { g.chunkOf(2, int(endian.BigEndian.Uint16(have))+1) })
	case c >= 0xc0: // with properties
		g.expect(5, func(have []byte) { g.chunkOf(5, int(endian.BigEndian.Uint16(have[2:]))+1) })
	case c >= 0x80:
		g.expect(4, func(have []byte) { g.chunkOf(4, int(endian.BigEndian.Uint16(have[2:]))+1) })
	default:
		g.err = errNotXZ
	}
}

func (g *xzGuard) chunkOf(header, size int) {
	g.data = (g.data + header + size) % 4
	g.skip = size
	g.expect(1, g.chunk)
}
