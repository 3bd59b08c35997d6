package commitlog_test

import (
	"syscall"
	"testing"

	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/commitlog"
	"github.com/rebound-engine/rebound/store/commitlog/faultfs"
)

// TestChangedAfterTheEnd: a failed log never moves again, so a reader that tails
// it waits; closing wakes it, and a closed log never makes anyone wait.
func TestChangedAfterTheEnd(t *testing.T) {
	broken := false
	o := small()
	o.FS = &faultfs.FS{FS: commitlog.OS{}, Decide: func(op faultfs.Op) faultfs.Fault {
		if broken && op.Call == faultfs.Datasync {
			return faultfs.Fault{Err: syscall.EIO}
		}
		return faultfs.Fault{}
	}}
	l := open(t, t.TempDir(), o)
	fill(t, l, 3)
	broken = true
	at, _, err := l.Append(background, store.Header{Kind: 1, Time: 40}, payload(4), false)
	if err != nil || l.Wait(background, at) == nil {
		t.Fatalf("append to a broken disk: %v", err)
	}
	verify(t, l, 1, 3)
	c := l.Changed()
	select {
	case <-c:
		t.Error("Changed fires though a failed log cannot move")
	default:
	}
	if err := l.Close(); err == nil {
		t.Error("close forgets the failure")
	}
	<-c
	<-l.Changed()
}
