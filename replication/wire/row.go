package wire

import "errors"

// length is a length-encoded number and the number of bytes that it takes.
type length struct {
	n    uint64
	size int
	null bool
}

var errShortRow = errors.New("a row's packet is cut short")

// lengthOf reads the length-encoded number at the start of data.
func lengthOf(data []byte) (length, error) {
	if len(data) == 0 {
		return length{}, errShortRow
	}
	size := 0
	switch first := data[0]; first {
	case 0xfb:
		return length{size: 1, null: true}, nil
	case 0xfc:
		size = 3
	case 0xfd:
		size = 4
	case 0xfe:
		size = 9
	case 0xff:
		return length{}, errShortRow
	default:
		return length{n: uint64(first), size: 1}, nil
	}
	if len(data) < size {
		return length{}, errShortRow
	}
	var n uint64
	for i := size - 1; i > 0; i-- {
		n = n<<8 | uint64(data[i])
	}
	return length{n: n, size: size}, nil
}

// NextValue returns the first value of a row, and the rest of the row. A nil value
// is NULL. The value is valid as long as the row is.
func NextValue(row []byte) (value, rest []byte, err error) {
	if len(row) > 0 && row[0] < 0xfb { // the usual case
		n := 1 + int(row[0])
		if len(row) < n {
			return nil, nil, errShortRow
		}
		return row[1:n:n], row[n:], nil
	}
	l, err := lengthOf(row)
	if err != nil {
		return nil, nil, err
	}
	if l.null {
		return nil, row[l.size:], nil
	}
	end := uint64(l.size) + l.n
	if end > uint64(len(row)) {
		return nil, nil, errShortRow
	}
	return row[l.size:end:end], row[end:], nil
}

// texts returns the values of a row; NULL is the empty string.
func texts(row []byte) ([]string, error) {
	var line []string
	for len(row) > 0 {
		value, rest, err := NextValue(row)
		if err != nil {
			return nil, err
		}
		line, row = append(line, string(value)), rest
	}
	return line, nil
}
