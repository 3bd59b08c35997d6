package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/rebound-engine/rebound/store"
)

// Canonical is what of an entry does not depend on when and how fast it was
// made: kind, subject, business time and payload, without recorded time,
// timings and log positions. It is nil for entries that only move money between
// the log and the ledger's slices.
func Canonical(e *store.Entry) ([]byte, error) {
	if e.Kind == KindSlice {
		return nil, nil
	}
	out := append([]byte{e.Kind}, e.Subject[:]...)
	out = binary.BigEndian.AppendUint64(out, uint64(e.Time))
	if e.Kind != KindDecision {
		return append(out, e.Payload...), nil
	}
	rest := e.Payload
	if len(rest) == 0 || rest[0] != entryVersion {
		return nil, fmt.Errorf("decision entry: %w: not of version %d", errWire, entryVersion)
	}
	out, rest = append(out, rest[0]), rest[1:]
	for len(rest) > 0 {
		num, _, n := protowire.ConsumeField(rest)
		if n < 0 {
			return nil, fmt.Errorf("decision entry: %w: %w", errWire, protowire.ParseError(n))
		}
		if num < decVolatile {
			out = append(out, rest[:n]...)
		}
		rest = rest[n:]
	}
	return out, nil
}

// DigestLog is the hex SHA-256 over the canonical entries of a log, each
// preceded by its length: equal for two runs over the same input.
func DigestLog(ctx context.Context, s store.Store) (digest string, entries int, err error) {
	h := sha256.New()
	var size [8]byte
	err = s.Scan(ctx, 1, func(e *store.Entry) error {
		c, err := Canonical(e)
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Position, err)
		}
		if c == nil {
			return nil
		}
		binary.BigEndian.PutUint64(size[:], uint64(len(c)))
		h.Write(size[:])
		h.Write(c)
		entries++
		return nil
	})
	if err != nil {
		return "", 0, fmt.Errorf("digest of the log: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), entries, nil
}
