package badgerstore

import "github.com/rebound-engine/rebound/store"

// Mode says when appends are acknowledged.
func (s *Store) Mode() store.Mode { return s.opts.Mode }

// Durable is the position of the last entry on disk: what a crash cannot lose any more.
func (s *Store) Durable() store.Position { return s.log.Durable() }
