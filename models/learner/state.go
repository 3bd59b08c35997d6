package learner

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// trial is one candidate's finished cross-validation, as written to the state.
type trial struct {
	Key     string // of data, folds, seed and candidate
	Effects [][]float64
	Seconds float64
	Failed  string
}

const maxTrial = 4 << 30 // 4 GiB

// writeTrial appends one record: length, CRC-32, gob.
func writeTrial(w io.Writer, t *trial) error {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(t); err != nil {
		return fmt.Errorf("encode tournament state: %w", err)
	}
	var head [12]byte
	binary.LittleEndian.PutUint64(head[:], uint64(b.Len()))
	binary.LittleEndian.PutUint32(head[8:], crc32.ChecksumIEEE(b.Bytes()))
	if _, err := w.Write(append(head[:], b.Bytes()...)); err != nil {
		return fmt.Errorf("write tournament state: %w", err)
	}
	return nil
}

// readTrials reads records up to a truncated or damaged one, which an
// interrupted run may leave at the end.
func readTrials(r io.Reader) (map[string]*trial, error) {
	out := map[string]*trial{}
	for {
		var head [12]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return out, nil
			}
			return nil, fmt.Errorf("read tournament state: %w", err)
		}
		n := binary.LittleEndian.Uint64(head[:])
		if n > maxTrial {
			return out, nil
		}
		body, err := io.ReadAll(io.LimitReader(r, int64(n)))
		if err != nil {
			return nil, fmt.Errorf("read tournament state: %w", err)
		}
		if uint64(len(body)) != n || crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(head[8:]) {
			return out, nil
		}
		t := new(trial)
		if err := gob.NewDecoder(bytes.NewReader(body)).Decode(t); err != nil {
			return out, nil //nolint:nilerr // what is damaged is fitted again
		}
		out[t.Key] = t
	}
}
