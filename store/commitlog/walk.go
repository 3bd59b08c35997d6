package commitlog

import (
	"errors"
	"fmt"

	"github.com/rebound-engine/rebound/store"
)

const sector = 512 // what a disk writes whole or not at all

// point is a frame, good or bad, that matters to the judgement.
type point struct {
	off, end int64
	at       store.Position // the entry's, or the one expected there
	group    store.Position // first position of its group; good frames only
	subject  store.Subject  // whose payload is damaged
	reason   string
}

// walk reads one segment once. Damaged payloads are judged afterwards, when all
// erasures of the log are known: an erased payload does not fit its checksum.
type walk struct {
	log     *Log
	s       *segment
	damaged []point // frames with a good header whose payload does not fit
	stop    point   // where no frame is where one could be
	rest    []point // good frames found behind stop: the first and the last
	lastOK  point   // the last good frame before stop
	used    int64   // end of the last byte that is not zero
}

func (w *walk) cursor(off int64) *cursor {
	return &cursor{read: w.s.readAt, salt: w.log.salt, maxPayload: max(w.log.opts.MaxPayload, store.MaxPayload), off: off, end: w.s.size, fill: 1 << 20}
}

// run reads frames up to the seal, or to where none is.
func (w *walk) run() error {
	c := w.cursor(pageSize)
	for {
		f, err := c.header()
		if err == nil && f.seal() && f.Position == w.s.info.Last {
			return w.end(c, &f)
		}
		if err == nil && f.Position != w.s.info.Last+1 {
			err = fmt.Errorf("entry %d where %d is due: %w", f.Position, w.s.info.Last+1, errFrame)
		}
		if errors.Is(err, errEmpty) || errors.Is(err, errFrame) {
			w.stop = point{off: c.off, at: w.s.info.Last + 1, reason: err.Error()}
			return w.search(c)
		}
		if err != nil {
			return fmt.Errorf("read %s at %d: %w", w.s.info.File, c.off, err)
		}
		if err := w.take(c, &f); err != nil {
			return err
		}
	}
}

// take counts a frame with a good header in.
func (w *walk) take(c *cursor, f *frame) error {
	_, fits, err := c.payload(f)
	if err != nil {
		return fmt.Errorf("read %s at %d: %w", w.s.info.File, c.off, err)
	}
	p := point{off: c.off, end: c.off + f.length(), at: f.Position, group: f.group(), subject: f.Subject}
	if fits {
		w.lastOK = p
		if f.erasing() {
			w.log.markErased(f.Subject, f.Position)
		}
	} else {
		p.reason = "payload checksum does not fit"
		w.damaged = append(w.damaged, p)
	}
	s := w.s
	if n := len(s.marks); n == 0 || c.off-s.marks[n-1].off >= markEvery {
		s.marks = append(s.marks, mark{f.Position, c.off})
	}
	s.span(f.Time, f.Time, f.Recorded)
	c.skip(f)
	s.info.Last, s.info.Bytes = f.Position, c.off
	return nil
}

// end reads the seal.
func (w *walk) end(c *cursor, f *frame) error {
	p, fits, err := c.payload(f)
	if err != nil {
		return fmt.Errorf("read %s at %d: %w", w.s.info.File, c.off, err)
	}
	if fits && !sealFits(p, w.s.info) {
		return &CorruptError{File: w.s.info.File, From: c.off, To: c.off + f.length(), Reason: "the seal does not fit the segment"}
	}
	if !fits {
		w.stop = point{off: c.off, at: f.Position + 1, reason: "the seal is damaged"}
		return w.search(c)
	}
	c.skip(f)
	w.s.info.Sealed, w.s.info.Bytes = true, c.off
	return nil
}

// search looks for good frames, and for anything at all, behind the place where none is.
func (w *walk) search(c *cursor) error {
	w.stop.end, w.used = c.end, c.off
	for c.off+align <= c.end {
		b, err := c.need(min(pageSize, c.end-c.off))
		if err != nil {
			return fmt.Errorf("read %s at %d: %w", w.s.info.File, c.off, err)
		}
		if isZero(b) {
			// A header may begin in the last 8 zeros: length and checksum of an empty payload.
			c.off += max(int64(len(b))-align, align)
			continue
		}
		if !isZero(b[:align]) {
			w.used = c.off + align
		}
		if err := w.probe(c); err != nil {
			return err
		}
		c.off += align
	}
	return nil
}

// probe notes a good frame of a later position at the cursor.
func (w *walk) probe(c *cursor) error {
	f, err := c.header()
	if err != nil || f.Position <= w.stop.at && !f.seal() {
		return nil //nolint:nilerr // no frame begins here
	}
	_, fits, err := c.payload(&f)
	if err != nil {
		return fmt.Errorf("read %s at %d: %w", w.s.info.File, c.off, err)
	}
	if !fits {
		return nil
	}
	found := point{off: c.off, end: c.off + f.length(), at: f.Position, group: f.group()}
	if len(w.rest) < 2 {
		w.rest = append(w.rest, found)
	}
	w.rest[len(w.rest)-1] = found
	return nil
}

// judge decides, with all erasures known, whether the segment is whole, may be
// cut (the last one only) or is corrupt.
func (w *walk) judge(last bool) (*Cut, error) {
	bad, ok := w.firstBad()
	if !last {
		if ok {
			return nil, w.corrupt(bad)
		}
		return nil, nil
	}
	if !ok {
		return nil, nil
	}
	if !w.torn(bad) {
		return nil, w.corrupt(bad)
	}
	return w.cut(bad), nil
}

// firstBad returns the first place that is not as it was written. The end of
// the written part of the last segment is such a place only if bytes follow.
func (w *walk) firstBad() (point, bool) {
	for _, d := range w.damaged {
		if w.log.Erased(d.subject) <= d.at || d.subject.IsZero() {
			return d, true
		}
	}
	return w.stop, !w.s.info.Sealed && w.used > w.stop.off
}

// torn reports whether the damage is what a crash leaves of the last group:
// nothing valid follows, or only frames of the same unsynced group beside whole
// sectors that were never written.
func (w *walk) torn(bad point) bool {
	if w.s.info.Sealed {
		return false
	}
	next, final := w.after(bad)
	if final.off == 0 {
		return true
	}
	return final.group <= bad.at && w.hole(bad.off, next.off)
}

// after returns the first and the last good frame behind bad.
func (w *walk) after(bad point) (next, final point) {
	if w.lastOK.off > bad.off {
		next, final = w.lastOK, w.lastOK
	}
	if n := len(w.rest); n > 0 {
		final = w.rest[n-1]
		if next.off == 0 {
			next = w.rest[0]
		}
	}
	return next, final
}

// hole reports whether a whole sector of zeros lies between the offsets.
func (w *walk) hole(from, to int64) bool {
	b := make([]byte, sector)
	for off := (from + sector - 1) &^ (sector - 1); off+sector <= to; off += sector {
		if w.s.readAt(b, off) == nil && isZero(b) {
			return true
		}
	}
	return false
}

func (w *walk) corrupt(bad point) error {
	end := bad.end
	if next, _ := w.after(bad); next.off > 0 {
		end = min(max(end, bad.off+headerSize), next.off)
		if bad.off == w.stop.off {
			end = next.off
		}
	}
	return &CorruptError{File: w.s.info.File, From: bad.off, To: end, Reason: fmt.Sprintf("entry %d: %s", bad.at, bad.reason)}
}

// cut takes the segment back to before bad.
func (w *walk) cut(bad point) *Cut {
	i := &w.s.info
	to := max(w.used, i.Bytes)
	i.Last, i.Bytes = bad.at-1, bad.off
	for n := len(w.s.marks); n > 0 && w.s.marks[n-1].at >= bad.at; n-- {
		w.s.marks = w.s.marks[:n-1]
	}
	return &Cut{File: i.File, From: bad.off, To: to, Position: bad.at}
}
