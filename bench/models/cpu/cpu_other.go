//go:build !unix

package cpu

import "time"

var started = time.Now()

// Time is the time since the start, where processor time is not to be had.
func Time() time.Duration { return time.Since(started) }
