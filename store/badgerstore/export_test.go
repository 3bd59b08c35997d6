package badgerstore

import "github.com/rebound-engine/rebound/store/commitlog"

// Log lets tests look at the log's segments.
func (s *Store) Log() *commitlog.Log { return s.log }
