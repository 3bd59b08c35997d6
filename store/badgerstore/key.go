package badgerstore

import (
	"encoding/binary"
	"fmt"

	"github.com/rebound-engine/rebound/store"
)

// Keys begin with a byte that says what they are; integers are big endian, so
// that keys sort by position. docs/formats/badger.md has the whole layout.
const (
	keyRecord  = 'r' // + record key: version, position, value
	keySubject = 's' // + subject: position its records are complete to, where that is of a deletion
	keyErasure = 'e' // + subject: position of the erasing entry whose work is done
	keyTerm    = 'i' // + page (2), last position of the batch (8), chunk (2): references
	keyMeta    = 'm' // + name

	recordVersion = 1
	recordHeader  = 9
)

var (
	keyCheckpoint = []byte("mcheckpoint")
	prefixMachine = []byte("mmachine/") // + position (8), chunk (4)
)

func recordKey(key []byte) []byte {
	return append(append(make([]byte, 0, 1+len(key)), keyRecord), key...)
}

func subjectKey(kind byte, s store.Subject) []byte {
	return append(append(make([]byte, 0, 1+len(s)), kind), s[:]...)
}

func machineKey(at store.Position, chunk uint32) []byte {
	b := binary.BigEndian.AppendUint64(append([]byte(nil), prefixMachine...), uint64(at))
	return binary.BigEndian.AppendUint32(b, chunk)
}

func encodeRecord(value []byte, at store.Position) []byte {
	b := append(make([]byte, 0, recordHeader+len(value)), recordVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(at))
	return append(b, value...)
}

func decodeRecord(b []byte) (value []byte, at store.Position, err error) {
	if len(b) < recordHeader {
		return nil, 0, fmt.Errorf("record of %d bytes is shorter than its header: %w", len(b), store.ErrCorrupt)
	}
	if b[0] != recordVersion {
		return nil, 0, fmt.Errorf("record has format version %d, this build reads %d: %w", b[0], recordVersion, store.ErrVersion)
	}
	return b[recordHeader:], store.Position(binary.BigEndian.Uint64(b[1:])), nil
}

func encodePosition(at store.Position) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(at))
}

func decodePosition(b []byte) (store.Position, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("position of %d bytes: %w", len(b), store.ErrCorrupt)
	}
	return store.Position(binary.BigEndian.Uint64(b)), nil
}

// checkpoint says from where the next Open has to replay.
type checkpoint struct {
	logID   uint64
	records store.Position // every entry up to here is in the records
	machine store.Position // ... and in the Machine's snapshot
	indexed store.Position // ... and its terms are in the index
	chunks  uint32         // of the snapshot; 0 if there is no Machine
}

const checkpointVersion = 1

func (c checkpoint) encode() []byte {
	b := []byte{checkpointVersion}
	for _, v := range []uint64{c.logID, uint64(c.records), uint64(c.machine), uint64(c.indexed)} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return binary.BigEndian.AppendUint32(b, c.chunks)
}

func decodeCheckpoint(b []byte) (c checkpoint, err error) {
	switch {
	case len(b) == 0:
		return c, fmt.Errorf("checkpoint is empty: %w", store.ErrCorrupt)
	case b[0] != checkpointVersion:
		return c, fmt.Errorf("checkpoint has format version %d, this build reads %d: %w", b[0], checkpointVersion, store.ErrVersion)
	case len(b) != 1+4*8+4:
		return c, fmt.Errorf("checkpoint of %d bytes: %w", len(b), store.ErrCorrupt)
	}
	be := binary.BigEndian
	c.logID = be.Uint64(b[1:])
	c.records, c.machine, c.indexed = store.Position(be.Uint64(b[9:])), store.Position(be.Uint64(b[17:])), store.Position(be.Uint64(b[25:]))
	c.chunks = be.Uint32(b[33:])
	return c, nil
}

// replayFrom is the first entry the next Open has to look at.
func (c checkpoint) replayFrom() store.Position {
	return min(c.records, c.machine, c.indexed) + 1
}
