package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
)

// BenchmarkEngine decides without gRPC, on a store on disk: cpu-ns/op is the
// processor time of a decision with all that it causes in the background.
func BenchmarkEngine(b *testing.B) {
	o := options{journal: "bounded", profiles: 50_000}
	st, eng, err := open(b.Context(), b.TempDir(), o)
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	n := uint64(0)
	b.ReportAllocs()
	before := cpu(os.Getpid())
	for b.Loop() {
		n++
		d, err := eng.Decide(b.Context(), engineRequest(n, n*2654435761%uint64(o.profiles)))
		if err != nil {
			b.Fatal(err)
		}
		d.Release()
	}
	b.ReportMetric(float64(cpu(os.Getpid())-before)/float64(b.N), "cpu-ns/op")
}

// engineRequest is what the template's bytes say, as the engine gets it.
func engineRequest(call, customer uint64) *engine.Request {
	basket := int64(9000)
	r := &engine.Request{
		RequestID: fmt.Sprintf("req-%0*d", digits, call),
		Customer:  []profile.Identity{{Namespace: "loyalty", Value: fmt.Sprintf("%0*d", digits, customer)}},
		Consent:   engine.ConsentGranted, Channel: profile.ChannelStore, Phase: engine.PhaseRefunded, Currency: "USD", Basket: &basket,
		AssociateID: fmt.Sprintf("associate-%0*d", digits, call%associates), Jurisdiction: "US-NY",
		Return: engine.Return{
			ID: fmt.Sprintf("return-%0*d", digits, call), OrderID: fmt.Sprintf("order-%0*d", digits, call),
			Authorization: "APPROVED", Tender: "ORIGINAL", Refund: 12000,
		},
	}
	for i, size := range []string{"41", "42", "43"} {
		r.Return.Lines = append(r.Return.Lines, profile.Line{
			SKU: fmt.Sprintf("runner-blue-%s-%020d", size, i), Style: "runner-blue-2026-autumn", Size: size, Category: "shoes",
			Quantity: 1, Paid: 4000, Reason: "SIZE", Condition: "UNWORN",
		})
	}
	return r
}
