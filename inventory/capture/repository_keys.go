package capture

import (
	endian "encoding/binary"
	"strings"
)

// repositoryKeys are the folders of the keys that sign repositories.
var repositoryKeys = []string{"/etc/apt/keyrings/", "/etc/apt/trusted.gpg.d/"}

func isRepositoryKey(name string) bool {
	for _, dir := range repositoryKeys {
		if strings.HasPrefix(name, dir) {
			return true
		}
	}
	return false
}

// Kinds of OpenPGP packets that a public key is made of; see RFC 9580, section 5.
const (
	packetSignature     = 2
	packetPublicKey     = 6
	packetTrust         = 12
	packetUser          = 13
	packetPublicSubkey  = 14
	packetUserAttribute = 17
)

// onlyPublicKeys reports whether data is OpenPGP's binary form of public keys,
// and nothing else: these are kept as they are, though they are no text.
func onlyPublicKeys(data []byte) bool {
	for first := true; len(data) > 0; first = false {
		kind, header, size := packet(data)
		if header == 0 || size < 0 || size > len(data)-header || first && kind != packetPublicKey {
			return false
		}
		switch kind {
		case packetSignature, packetPublicKey, packetTrust, packetUser, packetPublicSubkey, packetUserAttribute:
		default: // a secret key, or something that does not belong here
			return false
		}
		data = data[header+size:]
		if len(data) == 0 {
			return true
		}
	}
	return false
}

// packet reads the header of a packet: its kind, and how long the header and
// the body are; see RFC 9580, section 4.2. A header of 0 bytes is none, or one
// of a length that keys do not have.
func packet(data []byte) (kind, header, size int) {
	if len(data) < 2 || data[0]&0x80 == 0 {
		return 0, 0, 0
	}
	if data[0]&0x40 == 0 { // the old form
		kind = int(data[0] >> 2 & 0xf)
		switch {
		case data[0]&3 == 0:
			return kind, 2, int(data[1])
		case data[0]&3 == 1 && len(data) >= 3:
			return kind, 3, int(endian.BigEndian.Uint16(data[1:]))
		case data[0]&3 == 2 && len(data) >= 5:
			return kind, 5, int(endian.BigEndian.Uint32(data[1:]))
		}
		return 0, 0, 0
	}
	kind = int(data[0] & 0x3f)
	switch {
	case data[1] < 192:
		return kind, 2, int(data[1])
	case data[1] < 224 && len(data) >= 3:
		return kind, 3, (int(data[1])-192)<<8 + int(data[2]) + 192
	case data[1] == 255 && len(data) >= 6:
		return kind, 6, int(endian.BigEndian.Uint32(data[2:]))
	}
	return 0, 0, 0
}
