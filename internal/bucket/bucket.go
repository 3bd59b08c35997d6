// Package bucket assigns units to integer buckets: xxHash64 over salt and
// unit, then multiply-and-shift. It owns the byte layout that is hashed and its
// published vectors (docs/formats/bucketing.md), so that other languages agree.
//
// It refuses to know what a bucket is for: holdouts, arms and draws bring their own salts.
package bucket

import (
	"encoding/binary"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// Size is the number of buckets of shares and draws: 2^32.
const Size = 1 << 32

// Hash hashes salt and parts. Each is preceded by its length in bytes as a
// 32-bit little-endian number, so that no two lists of parts hash alike by
// concatenation.
func Hash(salt string, parts ...[]byte) uint64 {
	var scratch [256]byte
	b := appendPart(scratch[:0], salt)
	for _, p := range parts {
		b = appendPart(b, p)
	}
	return xxhash.Sum64(b)
}

func appendPart[T string | []byte](b []byte, p T) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(p)))
	return append(b, p...)
}

// Index maps a hash onto 0..n-1 by multiply-and-shift: the upper 64 bits of h*n.
func Index(h, n uint64) uint64 {
	hi, _ := bits.Mul64(h, n)
	return hi
}

// Of maps a hash onto the 2^32 buckets of shares and draws.
func Of(h uint64) uint32 { return uint32(Index(h, Size)) }

// Width is the number of buckets a share of 0..1 takes, rounded down. The share
// really assigned is Width/Size, exactly.
func Width(share float64) uint64 {
	switch {
	case !(share > 0):
		return 0
	case share >= 1:
		return Size
	}
	return uint64(share * Size)
}
