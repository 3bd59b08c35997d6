package commitlog

import (
	"fmt"

	"github.com/rebound-engine/rebound/store"
)

// CorruptError is damage that recovery must not cut away; it wraps store.ErrCorrupt.
type CorruptError struct {
	File     string
	From, To int64 // the damaged bytes
	Reason   string
}

// Error implements error.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("commit log segment %s, bytes %d to %d: %s; restore the file from a backup", e.File, e.From, e.To, e.Reason)
}

// Unwrap returns store.ErrCorrupt.
func (e *CorruptError) Unwrap() error { return store.ErrCorrupt }
