package engine_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/rebound-engine/rebound/engine"
)

// BenchmarkDecide decides on a store in memory: the example bundle's six offers
// and none, a profile of a dozen purchases, everything logged.
func BenchmarkDecide(b *testing.B) {
	for _, explain := range []engine.Explain{engine.ExplainReasons, engine.ExplainFull} {
		b.Run([]string{"explain=reasons", "explain=none", "explain=full"}[explain], func(b *testing.B) {
			w := newWorld(b, sharedBundle(b))
			const customers = 512
			for c := range customers {
				for i := range 12 {
					w.record(purchase(fmt.Sprintf("p%d-%d", c, i), fmt.Sprint("customer", c), start.AddDate(0, -i, 0), 9000))
				}
			}
			basket := int64(20000)
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				i++
				r := request(fmt.Sprint("r", i), fmt.Sprint("customer", i%customers))
				r.Scope, r.Channel, r.Phase, r.Basket, r.Explain = "us.ne.0412", 3, engine.PhaseStarted, &basket, explain
				if _, err := w.Decide(context.Background(), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
