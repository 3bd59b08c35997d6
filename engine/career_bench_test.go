package engine_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/models/registry"
)

// BenchmarkRoles decides on a store in memory without registered models, with
// shadows and with a challenger, to show what they cost a decision.
func BenchmarkRoles(b *testing.B) {
	for _, shadows := range []int{0, 1, 4} {
		b.Run(fmt.Sprintf("shadows=%d", shadows), func(b *testing.B) {
			w := newWorld(b, policy(b, explore), withRegistry)
			for i := range shadows {
				w.promote(w.register(fmt.Sprint("m", i), 0.1*float64(i+1)).Digest, registry.Shadow, 0)
			}
			w.decideMany(b)
		})
	}
	b.Run("challenger", func(b *testing.B) {
		w := newWorld(b, policy(b, explore), withRegistry)
		w.journal(40)
		digest := w.register("m", 0.5).Digest
		w.promote(digest, registry.Shadow, 0)
		w.promote(digest, registry.Challenger, 0.5)
		w.decideMany(b)
	})
}

func (w *world) decideMany(b *testing.B) {
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		r := request(fmt.Sprint("r", i), fmt.Sprint("customer", i))
		r.Explain = engine.ExplainReasons
		if _, err := w.Decide(context.Background(), r); err != nil {
			b.Fatal(err)
		}
	}
}
