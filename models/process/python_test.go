//go:build python

package process_test

import (
	"errors"
	"math"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/process"
)

// TestPythonExample runs examples/model-plugin/python with the Python in PATH,
// which bench/models/python-plugin.sh prepares.
func TestPythonExample(t *testing.T) {
	c, err := process.Parse([]byte(`
command: [purchase_model.py]
timeout: 2s
start_timeout: 60s
outcome: purchase
unit: probability
features: [customer.recency_days]
offer_features: [offer.amount]
offers: [five]
`))
	if err != nil {
		t.Fatal(err)
	}
	o := options(t)
	o.Programs, o.Beat = "../../examples/model-plugin/python", time.Second
	m, err := process.Open(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	if up, err := m.Up(); !up {
		t.Fatal(err)
	}
	chance := func(days, amount float64) float64 {
		return 1 / (1 + math.Exp(0.4+days/120-amount*min(days, 60)/600))
	}
	out := make([]models.Score, 1)
	var took []time.Duration
	for i := range 2000 {
		days, amount := float64(i%400), float64(i%51)
		start := time.Now()
		if err := m.Score(t.Context(), []float64{days}, []models.Candidate{{Arm: 0, X: []float64{amount}}}, out); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(start))
		if math.Abs(out[0].Without-chance(days, 0)) > 1e-12 || math.Abs(out[0].With-chance(days, amount)) > 1e-12 {
			t.Fatalf("%v days, %v off: %+v", days, amount, out[0])
		}
	}
	slices.Sort(took)
	t.Logf("one call: p50 %s, p99 %s", took[1000], took[1980])
	if err := m.Score(t.Context(), []float64{5}, []models.Candidate{{Arm: 0, X: []float64{51}}}, out); !errors.Is(err, models.ErrUnscorable) {
		t.Errorf("an amount that was never seen: %v", err)
	} else {
		t.Log(err)
	}
	first := m.Process()
	if p, err := os.FindProcess(first); err != nil || p.Signal(syscall.SIGKILL) != nil {
		t.Fatal("the process cannot be killed")
	}
	eventually(t, "back", func() bool {
		return m.Score(t.Context(), []float64{5}, []models.Candidate{{Arm: 0, X: []float64{5}}}, out) == nil && m.Process() != first
	})
}
