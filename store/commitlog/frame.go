package commitlog

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/rebound-engine/rebound/store"
)

// A frame is a header of 64 bytes and the payload, padded by zeros to 8 bytes.
//
//	 0 u32 payload length          40 i64 recorded, Unix ms
//	 4 u32 CRC32C of the payload   48 u32 key id
//	 8 u64 position                52 u8  kind, 53 u8 flags
//	16 [16] subject                54 u16 positions since the group began
//	32 i64 business time, Unix ms  56 u32 zero
//	                               60 u32 CRC32C of log id and bytes 0..60
//
// Little endian. Header and payload have checksums of their own, so that an
// erasure can overwrite a payload in place: no state in between is ambiguous.
const (
	headerSize = 64
	align      = 8

	flagErasing = 1 << 0
	flagSeal    = 1 << 1
	knownFlags  = flagErasing | flagSeal

	maxGroup = 1<<16 - 1 // entries of a group
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errEmpty = errors.New("no frame")
	errFrame = errors.New("header checksum does not fit")
)

// frame is a decoded header.
type frame struct {
	store.Entry        // without payload
	size        int    // of the payload
	sum         uint32 // of the payload
	flags       uint8
	back        uint16 // positions since the first of the group
}

func (f *frame) erasing() bool { return f.flags&flagErasing != 0 }

func (f *frame) seal() bool { return f.flags&flagSeal != 0 }

// group is the position of the first entry written together with this one.
func (f *frame) group() store.Position { return f.Position - store.Position(f.back) }

// length is the whole frame's, with padding.
func (f *frame) length() int64 { return frameSize(f.size) }

func frameSize(payload int) int64 {
	return int64(headerSize+payload+align-1) &^ (align - 1)
}

// salt is the checksum every header's checksum goes on from: a frame of another
// log, or one inside a payload, is not a frame of this log.
func salt(id uint64) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], id)
	return crc32.Checksum(b[:], castagnoli)
}

func payloadSum(payload []byte) uint32 { return crc32.Checksum(payload, castagnoli) }

// appendFrame adds the frame to buf.
func appendFrame(buf []byte, f *frame, payload []byte, salt uint32) []byte {
	at := len(buf)
	buf = append(buf, make([]byte, headerSize)...)
	h := buf[at:]
	le := binary.LittleEndian
	le.PutUint32(h[0:], uint32(len(payload)))
	le.PutUint32(h[4:], f.sum)
	le.PutUint64(h[8:], uint64(f.Position))
	copy(h[16:32], f.Subject[:])
	le.PutUint64(h[32:], uint64(f.Time))
	le.PutUint64(h[40:], uint64(f.Recorded))
	le.PutUint32(h[48:], f.KeyID)
	h[52], h[53] = f.Kind, f.flags
	le.PutUint16(h[54:], f.back)
	le.PutUint32(h[60:], crc32.Update(salt, castagnoli, h[:60]))
	buf = append(buf, payload...)
	var zeros [align]byte
	return append(buf, zeros[:frameSize(len(payload))-int64(headerSize+len(payload))]...)
}

// decodeHeader reads a header of 64 bytes: errEmpty where nothing was ever
// written, errFrame where the bytes are no frame of this log.
func decodeHeader(h []byte, salt uint32, maxPayload int) (frame, error) {
	var f frame
	le := binary.LittleEndian
	position := le.Uint64(h[8:])
	if position == 0 {
		if isZero(h[:headerSize]) {
			return f, errEmpty
		}
		return f, errFrame
	}
	if le.Uint32(h[60:]) != crc32.Update(salt, castagnoli, h[:60]) {
		return f, errFrame
	}
	size := le.Uint32(h[0:])
	if uint64(size) > uint64(maxPayload) || h[53]&^knownFlags != 0 {
		return f, errFrame
	}
	f.size, f.sum = int(size), le.Uint32(h[4:])
	f.Position = store.Position(position)
	copy(f.Subject[:], h[16:32])
	f.Time, f.Recorded = int64(le.Uint64(h[32:])), int64(le.Uint64(h[40:]))
	f.KeyID, f.Kind, f.flags, f.back = le.Uint32(h[48:]), h[52], h[53], le.Uint16(h[54:])
	if f.Position <= store.Position(f.back) || (f.Kind == 0) != f.seal() {
		return f, errFrame
	}
	return f, nil
}

func isZero(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
