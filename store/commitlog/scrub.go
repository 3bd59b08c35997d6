package commitlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/rebound-engine/rebound/store"
)

// Visit calls fn for the subject's entries before the position whose payload is
// still there, erased or not, in order. The entry is fn's only during the call.
func (l *Log) Visit(ctx context.Context, of store.Subject, before store.Position, fn func(*store.Entry) error) error {
	return l.eachOf(ctx, of, before, func(_ *segment, c *cursor, f *frame) error {
		p, fits, err := c.payload(f)
		if err != nil || !fits {
			return err
		}
		f.Payload = p
		return fn(&f.Entry)
	})
}

// Scrub overwrites the payloads of the subject's entries before the position by
// zeros, in place, and returns when that is on disk. The subject must have been
// erased by a committed entry at or after the position: only then a payload that
// does not fit its checksum, half overwritten or wholly, is no damage. Repeating it does no harm.
func (l *Log) Scrub(ctx context.Context, of store.Subject, before store.Position) error {
	if at := l.Erased(of); at < before || at > l.Durable() || of.IsZero() {
		return fmt.Errorf("scrub subject %x before entry %d: not erased by a committed entry", of, before)
	}
	var dirty *segment
	sync := func() error {
		if dirty == nil {
			return nil
		}
		if err := dirty.datasync(); err != nil {
			return fmt.Errorf("scrub %s: sync: %w", dirty.info.File, err)
		}
		return nil
	}
	err := l.eachOf(ctx, of, before, func(s *segment, c *cursor, f *frame) error {
		if dirty != s {
			if err := sync(); err != nil {
				return err
			}
			dirty = s
		}
		if err := s.writeAt(make([]byte, f.size), c.off+headerSize); err != nil {
			return fmt.Errorf("scrub %s at %d: %w", s.info.File, c.off, err)
		}
		return nil
	})
	return errors.Join(err, sync())
}

// eachOf walks the headers of the log for the subject's entries.
func (l *Log) eachOf(ctx context.Context, of store.Subject, before store.Position, fn func(*segment, *cursor, *frame) error) error {
	for _, s := range l.list() {
		if s.snapshot().First >= before {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("look for entries of subject %x: %w", of, err)
		}
		if err := l.eachIn(s, of, before, fn); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

func (l *Log) eachIn(s *segment, of store.Subject, before store.Position, fn func(*segment, *cursor, *frame) error) error {
	_, end := s.seek(0)
	c := l.cursor(s, pageSize, end)
	for {
		f, err := c.header()
		if errors.Is(err, errEmpty) || err == nil && (f.seal() || f.Position >= before) {
			return nil
		}
		if err != nil {
			return damage(s, c, before, err)
		}
		if f.Subject == of && f.size > 0 {
			if err := fn(s, c, &f); err != nil {
				return err
			}
		}
		c.skip(&f)
	}
}
