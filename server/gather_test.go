package server

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// gathered is both ends of a loopback connection, the server's gathering.
func gathered(t *testing.T) (server, client net.Conn) {
	t.Helper()
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if client, err = new(net.Dialer).DialContext(t.Context(), "tcp", lis.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = (gatherListener{lis}).Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(server.Close(), client.Close(), lis.Close()) })
	return server, client
}

func TestGatherKeepsOrder(t *testing.T) {
	server, client := gathered(t)
	var want bytes.Buffer
	var writers sync.WaitGroup
	writers.Go(func() {
		for i := range 20_000 {
			p := bytes.Repeat([]byte{byte(i)}, i%300)
			want.Write(p)
			if n, err := server.Write(p); n != len(p) || err != nil {
				t.Errorf("write: %d, %v", n, err)
				return
			}
		}
		if err := server.Close(); err != nil { // what was gathered still goes out
			t.Error(err)
		}
	})
	got, err := io.ReadAll(client)
	writers.Wait()
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("read %d bytes, %v; %d were written", len(got), err, want.Len())
	}
}

// TestGatherWaitsForTheReader: a peer that does not read holds the writer up, and little memory.
func TestGatherWaitsForTheReader(t *testing.T) {
	server, _ := gathered(t)
	if err := server.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 16<<10)
	for range 10_000 { // 160 MiB: more than any socket buffers
		if _, err := server.Write(p); err != nil {
			if g := server.(*gatherConn); len(g.buf) > gatherBytes || len(g.spare) > gatherBytes {
				t.Errorf("%d and %d bytes are gathered, want at most %d", len(g.buf), len(g.spare), gatherBytes)
			}
			return
		}
	}
	t.Error("the writer was never held up")
}

func TestGatherTellsOfABrokenConnection(t *testing.T) {
	server, client := gathered(t)
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, err := server.Write([]byte("x")); err != nil {
			return
		}
	}
	t.Error("writes to a closed connection go on")
}
