package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// connections is how many connections the callers share.
const connections = 4

// target is one of the two servers under load.
type target struct {
	method string
	conns  []*grpc.ClientConn
}

func dial(addr, method string) (*target, error) {
	t := &target{method: method}
	for range connections {
		c, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})))
		if err != nil {
			return nil, fmt.Errorf("dial %s: %w", addr, err)
		}
		t.conns = append(t.conns, c)
	}
	return t, nil
}

func (t *target) close() {
	for _, c := range t.conns {
		_ = c.Close() // the measurement is over
	}
}

// driver sends requests that all differ.
type driver struct {
	template  *template
	customers uint64
	call      atomic.Uint64
}

// result is one round of load on one target.
type result struct {
	perSecond float64
	p50, p99  time.Duration
	calls     int
}

// run keeps callers busy with one call after the other for a while.
func (d *driver) run(ctx context.Context, t *target, callers int, length time.Duration) (result, error) {
	took := make([][]time.Duration, callers)
	errs := make([]error, callers)
	end := time.Now().Add(length)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() { took[i], errs[i] = d.caller(ctx, t.conns[i%len(t.conns)], t.method, end) })
	}
	wg.Wait()
	elapsed := time.Since(began)
	for _, err := range errs {
		if err != nil {
			return result{}, fmt.Errorf("%s: %w", t.method, err)
		}
	}
	all := slices.Concat(took...)
	slices.Sort(all)
	if len(all) == 0 {
		return result{}, fmt.Errorf("%s: no call ended in %v", t.method, length)
	}
	return result{float64(len(all)) / elapsed.Seconds(), all[len(all)/2], all[len(all)*99/100], len(all)}, nil
}

func (d *driver) caller(ctx context.Context, c *grpc.ClientConn, method string, end time.Time) ([]time.Duration, error) {
	in, out := make([]byte, len(d.template.bytes)), []byte(nil)
	took := make([]time.Duration, 0, 1<<14)
	for began := time.Now(); began.Before(end); {
		n := d.call.Add(1)
		d.template.fill(in, n, n*2654435761%d.customers)
		if err := invoke(ctx, c, method, &in, &out); err != nil {
			return nil, err
		}
		now := time.Now()
		took = append(took, now.Sub(began))
		began = now
	}
	return took, nil
}

func invoke(ctx context.Context, c *grpc.ClientConn, method string, in, out *[]byte) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return c.Invoke(ctx, method, in, out)
}
