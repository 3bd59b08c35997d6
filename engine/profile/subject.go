package profile

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/rebound-engine/rebound/store"
)

// TableProfiles is the first byte of the keys of profiles.
const TableProfiles byte = 'p'

// SubjectOf names the customer an identity stands for: 16 bytes of the SHA-256
// of the length-prefixed namespace and value, so that no two identities share
// an encoding, whatever separators they contain.
func SubjectOf(id Identity) store.Subject {
	var buf [128]byte
	b := appendPrefixed(buf[:0], id.Namespace)
	b = appendPrefixed(b, id.Value)
	sum := sha256.Sum256(b)
	return store.Subject(sum[:16])
}

// ReturnKey names a return by its original order and the day it comes back, so
// that split or re-scanned returns share it. Without an order there is none: 0.
func ReturnKey(orderID string, day time.Time) uint64 {
	if orderID == "" {
		return 0
	}
	var buf [128]byte
	b := appendPrefixed(buf[:0], orderID)
	b = binary.AppendVarint(b, dayOf(day.UnixMilli()))
	return hashBytes(b)
}

func appendPrefixed(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// hashID is the 64-bit name under which a record keeps an id: the start of its
// SHA-256, 0 for the empty id only.
func hashID(s string) uint64 {
	if s == "" {
		return 0
	}
	var buf [256]byte
	return hashBytes(append(buf[:0], s...))
}

func hashBytes(b []byte) uint64 {
	sum := sha256.Sum256(b)
	return max(binary.LittleEndian.Uint64(sum[:8]), 1)
}

// hashWord is the 32-bit name of a sku, style or size (FNV-1a, folded): 0 for the empty word only.
func hashWord(s string) uint32 {
	if s == "" {
		return 0
	}
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return max(uint32(h>>32)^uint32(h), 1)
}

const (
	msPerHour = 3600_000
	msPerDay  = 24 * msPerHour
)

// dayOf is the UTC day of a Unix time in milliseconds, in days since 1970.
func dayOf(ms int64) int64 {
	day := ms / msPerDay
	if ms%msPerDay < 0 {
		day--
	}
	return day
}
