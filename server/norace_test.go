//go:build !race

package server

import (
	"io"
	"testing"
	"time"
)

// Most of what a call allocates are the strings of its request, which the engine may keep.
func TestDecideAllocatesLittle(t *testing.T) {
	c := newDecideCall(t, io.Discard)
	ctx := bounded{t.Context(), time.Now().Add(5 * time.Second)}
	n := testing.AllocsPerRun(1000, func() {
		if _, err := c.once(ctx); err != nil {
			t.Fatal(err)
		}
	})
	if n > 33 {
		t.Errorf("a call allocates %v times", n)
	}
}
