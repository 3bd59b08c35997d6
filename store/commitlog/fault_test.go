package commitlog_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/commitlog"
	"github.com/rebound-engine/rebound/store/commitlog/faultfs"
)

// TestFaultAtEveryCall lets every changing call of a short life fail once, in
// turn: whatever was acknowledged is there when the disk works again.
func TestFaultAtEveryCall(t *testing.T) {
	clean := &faultfs.FS{FS: commitlog.OS{}, Decide: func(faultfs.Op) faultfs.Fault { return faultfs.Fault{} }}
	if acked, err := live(t.TempDir(), clean); err != nil || acked != 300 {
		t.Fatalf("without a fault: %d entries, %v", acked, err)
	}
	for at := 1; at <= clean.Calls(); at++ {
		var hit faultfs.Op
		for _, written := range []int{0, 100} {
			dir := t.TempDir()
			if written > 0 && hit.Call != faultfs.Write {
				continue // only writes can stop short
			}
			acked, err := live(dir, &faultfs.FS{FS: commitlog.OS{}, Decide: func(op faultfs.Op) faultfs.Fault {
				if op.Seq != at {
					return faultfs.Fault{}
				}
				hit = op
				return faultfs.Fault{Err: syscall.ENOSPC, Bytes: written}
			}})
			if err != nil && !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("%+v: the error does not say why: %v", hit, err)
			}
			l, _, err := commitlog.Open(background, dir, small())
			if err != nil {
				t.Fatalf("%+v: open afterwards: %v", hit, err)
			}
			if l.Last() < acked {
				t.Errorf("%+v: %d acknowledged, %d found", hit, acked, l.Last())
			}
			verify(t, l, 1, l.Last())
			_ = l.Close()
		}
	}
}

// live appends 300 entries, more than a small segment takes, and returns
// how many were acknowledged. After a failure nothing may be taken any more.
func live(dir string, fs commitlog.FS) (acked store.Position, err error) {
	o := small()
	o.FS = fs
	l, _, err := commitlog.Open(background, dir, o)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	for at := store.Position(1); at <= 300; at++ {
		_, _, err = l.Append(background, store.Header{Kind: 1, Time: int64(at) * 10}, payload(at), false)
		if err == nil && at%10 == 0 {
			if err = l.Wait(background, at); err == nil {
				acked = at
			}
		}
		if err != nil {
			if _, _, again := l.Append(background, store.Header{Kind: 1}, nil, false); !errors.Is(again, store.ErrFailed) {
				return acked, fmt.Errorf("append after a failure: %w", again)
			}
			return acked, err
		}
	}
	return acked, nil
}

// TestFullQueue: with a disk that hangs, appends wait until their deadline and are refused.
func TestFullQueue(t *testing.T) {
	release := make(chan struct{})
	hang := false
	o := small()
	o.FS = &faultfs.FS{FS: commitlog.OS{}, Decide: func(op faultfs.Op) faultfs.Fault {
		if hang && op.Call == faultfs.Datasync {
			<-release
		}
		return faultfs.Fault{}
	}}
	l := open(t, t.TempDir(), o)
	hang = true
	ctx, cancel := context.WithTimeout(background, 50*time.Millisecond)
	defer cancel()
	var err error
	n := 0
	for ; err == nil; n++ {
		_, _, err = l.Append(ctx, store.Header{Kind: 1, Time: int64(n+1) * 10}, payload(store.Position(n+1)), false)
	}
	if !errors.Is(err, store.ErrOverloaded) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("append to a full queue: %v", err)
	}
	if err := l.Wait(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait for a hanging disk: %v", err)
	}
	close(release)
	if err := l.Wait(background, store.Position(n-1)); err != nil {
		t.Fatal(err)
	}
	verify(t, l, 1, store.Position(n-1))
}
