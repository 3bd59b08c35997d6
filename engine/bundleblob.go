package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/rebound-engine/rebound/store"
)

const (
	inlineFile  = 64 << 10 // 64 KiB: larger files are logged apart, once
	inlineFiles = 1 << 20  // 1 MiB: of more than that in smaller files all are logged apart
	blobChunk   = 2 << 20  // 2 MiB
)

// inlineLimit is the size, in bytes, up to which files are part of their
// activation's entry: a bundle of thousands of small files fits none.
func inlineLimit(files map[string][]byte) int {
	total := 0
	for _, content := range files {
		if len(content) <= inlineFile {
			total += len(content)
		}
	}
	if total > inlineFiles {
		return 0
	}
	return inlineFile
}

// logBlob appends a file in parts, unless a complete copy is logged after a position.
// It does not wait for the log: the activation that refers to the file, or Acknowledged, does.
func (e *Engine) logBlob(ctx context.Context, content []byte, after store.Position) error {
	sum := sha256.Sum256(content)
	_, err := e.readBlob(ctx, string(sum[:]), after)
	if !errors.Is(err, errBlobIncomplete) {
		return err
	}
	for i, chunk := range slices.Collect(slices.Chunk(content, blobChunk)) {
		w := wire{[]byte{entryVersion}}
		w.bytes(1, sum[:])
		w.int(2, int64(i))
		w.bytes(3, chunk)
		_, err := e.opts.Store.Apply(ctx, nobody(), func(tx store.Tx) error {
			_, err := tx.Append(store.Header{Kind: KindBlob, Time: e.opts.Ledger.newest.Load()}, w.b)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// blobChunkOf is one part of a file logged apart.
type blobChunkOf struct {
	sum     string
	index   int
	content []byte
}

func parseBlob(b []byte) (c blobChunkOf, err error) {
	err = payloadFields(b, "blob", func(f field) error {
		switch f.num {
		case 1:
			c.sum = f.text()
		case 2:
			c.index = int(f.int())
		case 3:
			c.content = f.raw
		}
		return nil
	})
	return c, err
}

// errBlobIncomplete: the log does not hold all parts of a file.
var errBlobIncomplete = fmt.Errorf("%w: its parts do not add up", errWire)

// readBlob puts a file together again, of the parts logged after a position; the
// newest copy of a part counts.
func (e *Engine) readBlob(ctx context.Context, sum string, after store.Position) ([]byte, error) {
	at, err := e.opts.Store.Lookup(ctx, term(termBlob, sum), after, false, 1<<16)
	if err != nil {
		return nil, err
	}
	chunks := map[int][]byte{}
	for _, pos := range at {
		entry, err := e.opts.Store.Read(ctx, pos)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		c, err := parseBlob(entry.Payload)
		if err != nil {
			return nil, err
		}
		chunks[c.index] = slices.Clone(c.content)
	}
	var out []byte
	for i := range len(chunks) {
		out = append(out, chunks[i]...)
	}
	if got := sha256.Sum256(out); string(got[:]) != sum {
		return nil, fmt.Errorf("logged file %s: %w", hex.EncodeToString([]byte(sum)), errBlobIncomplete)
	}
	return out, nil
}
