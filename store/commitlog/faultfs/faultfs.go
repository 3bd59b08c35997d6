// Package faultfs is a file layer that fails on command: full disks, writes
// that stop short, syncs that fail, power that goes away.
//
// It owns the place where a fault is put. It refuses to know what the files
// hold: the test decides, call by call.
package faultfs

import (
	"sync"

	"github.com/rebound-engine/rebound/store/commitlog"
)

// Call names what the log asks of the file layer.
type Call string

// The calls a fault can be put into.
const (
	Open     Call = "open"
	Write    Call = "write"
	Datasync Call = "datasync"
	Sync     Call = "sync"
	Allocate Call = "allocate"
	Rename   Call = "rename"
	Remove   Call = "remove"
	SyncDir  Call = "syncdir"
)

// Op is one call: the Seq-th since the start, from 1.
type Op struct {
	Call Call
	Name string
	Seq  int
	Off  int64 // of a write
	Len  int   // of a write
}

// Fault is what becomes of a call. The zero Fault lets it pass.
type Fault struct {
	Err   error
	Bytes int // of a failed write, how many get to the file
}

// FS decides about every changing call by Decide; reads always pass.
type FS struct {
	commitlog.FS
	// Decide is called one call at a time.
	Decide func(Op) Fault

	mu  sync.Mutex
	seq int
}

func (f *FS) ask(c Call, name string, off int64, n int) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq++
	return f.Decide(Op{Call: c, Name: name, Seq: f.seq, Off: off, Len: n})
}

// Calls is how many calls there were.
func (f *FS) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seq
}

// Open implements commitlog.FS.
func (f *FS) Open(name string, create bool) (commitlog.File, error) {
	if create {
		if fault := f.ask(Open, name, 0, 0); fault.Err != nil {
			return nil, fault.Err
		}
	}
	file, err := f.FS.Open(name, create)
	if err != nil {
		return nil, err
	}
	return &faulty{File: file, fs: f, name: name}, nil
}

// Rename implements commitlog.FS.
func (f *FS) Rename(from, to string) error {
	if fault := f.ask(Rename, to, 0, 0); fault.Err != nil {
		return fault.Err
	}
	return f.FS.Rename(from, to)
}

// Remove implements commitlog.FS.
func (f *FS) Remove(name string) error {
	if fault := f.ask(Remove, name, 0, 0); fault.Err != nil {
		return fault.Err
	}
	return f.FS.Remove(name)
}

// SyncDir implements commitlog.FS.
func (f *FS) SyncDir(dir string) error {
	if fault := f.ask(SyncDir, dir, 0, 0); fault.Err != nil {
		return fault.Err
	}
	return f.FS.SyncDir(dir)
}

type faulty struct {
	commitlog.File
	fs   *FS
	name string
}

func (f *faulty) WriteAt(b []byte, off int64) (int, error) {
	fault := f.fs.ask(Write, f.name, off, len(b))
	if fault.Err == nil {
		return f.File.WriteAt(b, off)
	}
	n, err := f.File.WriteAt(b[:min(fault.Bytes, len(b))], off)
	if err != nil {
		return n, err
	}
	return n, fault.Err
}

func (f *faulty) Datasync() error {
	if fault := f.fs.ask(Datasync, f.name, 0, 0); fault.Err != nil {
		return fault.Err
	}
	return f.File.Datasync()
}

func (f *faulty) Sync() error {
	if fault := f.fs.ask(Sync, f.name, 0, 0); fault.Err != nil {
		return fault.Err
	}
	return f.File.Sync()
}

func (f *faulty) Allocate(size int64) error {
	if fault := f.fs.ask(Allocate, f.name, 0, 0); fault.Err != nil {
		return fault.Err
	}
	return f.File.Allocate(size)
}
