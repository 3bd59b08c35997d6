package storetest

import (
	"bufio"
	"math/rand/v2"
	"os/exec"
	"testing"
	"time"
)

// Kill starts a process, lets it run for a random time after its first line of
// output, ends it by SIGKILL, and returns the whole lines it wrote: what it
// acknowledged. The process must write each line by one unbuffered write.
//
// A test that wants crashes runs itself again as the process, or a server
// binary, checks what must have survived the lines returned, and goes on with the next round.
func Kill(t testing.TB, cmd *exec.Cmd, rng *rand.Rand, longest time.Duration) []string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("kill: %v", err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("kill: start %s: %v", cmd.Path, err)
	}
	after := time.Duration(rng.Int64N(int64(longest)))
	var lines []string
	in := bufio.NewReader(out)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			break // the last line may be torn: it was not acknowledged
		}
		if len(lines) == 0 {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
		lines = append(lines, line[:len(line)-1])
	}
	if err := cmd.Wait(); err == nil || len(lines) == 0 {
		t.Fatalf("kill: process ended by itself after %d lines: %v", len(lines), err)
	}
	return lines
}
