package commitlog

import (
	"errors"
	"io"
)

// readFull reads len(b) bytes at off; past the end of the file it reads zeros.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if errors.Is(err, io.EOF) {
		clear(b[n:])
		return nil
	}
	return err
}

// cursor walks the frames of a segment from off to end through one buffer.
type cursor struct {
	read       func(b []byte, off int64) error
	salt       uint32
	maxPayload int
	off, end   int64 // of the next frame; where to stop
	buf        []byte
	from       int64 // offset of buf[0]
	fill       int   // bytes to read at a time
}

// need returns the n bytes at the cursor.
func (c *cursor) need(n int64) ([]byte, error) {
	if c.off < c.from || c.off+n > c.from+int64(len(c.buf)) {
		size := max(n, min(int64(c.fill), c.end-c.off))
		if int64(cap(c.buf)) < size {
			c.buf = make([]byte, size)
		}
		c.buf = c.buf[:size]
		c.from = c.off
		if err := c.read(c.buf, c.off); err != nil {
			c.buf = c.buf[:0]
			return nil, err
		}
	}
	i := c.off - c.from
	return c.buf[i : i+n], nil
}

// header decodes the frame at the cursor without moving; errEmpty at the end.
func (c *cursor) header() (frame, error) {
	if c.off+headerSize > c.end {
		return frame{}, errEmpty
	}
	h, err := c.need(headerSize)
	if err != nil {
		return frame{}, err
	}
	f, err := decodeHeader(h, c.salt, c.maxPayload)
	if err == nil && c.off+f.length() > c.end {
		return f, errFrame
	}
	return f, err
}

// payload returns the payload of the frame at the cursor, valid until the next
// call, and whether its checksum fits and the padding is zero.
func (c *cursor) payload(f *frame) ([]byte, bool, error) {
	b, err := c.need(f.length())
	if err != nil {
		return nil, false, err
	}
	p := b[headerSize : headerSize+f.size]
	return p, payloadSum(p) == f.sum && isZero(b[headerSize+f.size:]), nil
}

func (c *cursor) skip(f *frame) { c.off += f.length() }
