package server

import (
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	// gatherBytes is how much may be gathered before the writer has to wait for the peer.
	gatherBytes = 64 << 10 // 64 KiB
	// gatherTurns is how often the goroutines that can run are let run first: answers
	// come from two, the call's and its transport's.
	gatherTurns = 2
	// closeTimeout is how long closing waits for a peer to take what was gathered.
	closeTimeout = time.Second
)

// gatherListener hands out connections that gather what is written to them.
type gatherListener struct{ net.Listener }

// Accept implements net.Listener.
func (l gatherListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if s, ok := c.(systemConn); ok {
		return newGatherConn(s), nil
	}
	return c, nil
}

// systemConn is a connection of the operating system, where a write is dear.
type systemConn interface {
	net.Conn
	syscall.Conn
}

// gatherConn writes together what the goroutines that can run now have to say:
// under load many answers, and one wake-up of the peer for all of them. With
// nobody else to run, nothing waits. A write's error shows at the next one.
type gatherConn struct {
	systemConn
	wake chan struct{} // something was gathered
	done chan struct{}
	once sync.Once

	mu  sync.Mutex
	buf []byte
	err error

	writing sync.Mutex // held while the connection is written to
	spare   []byte     // guarded by writing
}

func newGatherConn(c systemConn) *gatherConn {
	g := &gatherConn{systemConn: c, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go g.run()
	return g
}

func (g *gatherConn) run() {
	for {
		select {
		case <-g.wake:
			for range gatherTurns {
				runtime.Gosched()
			}
			g.flush()
		case <-g.done:
			return
		}
	}
}

// Write implements net.Conn.
func (g *gatherConn) Write(p []byte) (int, error) {
	if g.full(len(p)) {
		g.flush()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return 0, g.err
	}
	if len(g.buf) == 0 {
		select {
		case g.wake <- struct{}{}:
		default:
		}
	}
	g.buf = append(g.buf, p...)
	return len(p), nil
}

func (g *gatherConn) full(more int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.buf) > 0 && len(g.buf)+more > gatherBytes
}

// flush writes what has been gathered.
func (g *gatherConn) flush() {
	g.writing.Lock()
	defer g.writing.Unlock()
	g.mu.Lock()
	b := g.buf
	g.buf = g.spare[:0]
	g.mu.Unlock()
	g.spare = b
	if len(b) == 0 {
		return
	}
	if _, err := g.systemConn.Write(b); err != nil {
		g.mu.Lock()
		g.err = err
		g.mu.Unlock()
	}
}

// Close writes what has been gathered and closes the connection.
func (g *gatherConn) Close() error {
	g.once.Do(func() {
		close(g.done)
		_ = g.SetWriteDeadline(time.Now().Add(closeTimeout)) // a closed connection has nothing to write
		g.flush()
	})
	return g.systemConn.Close()
}
