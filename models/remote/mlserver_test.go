//go:build mlserver

package remote_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/remote"
)

// The tests of this file ask the server that bench/models/mlserver.sh starts.

type expected struct {
	X        []*float64 `json:"x"`
	Sklearn  []float64  `json:"sklearn"`
	LightGBM []float64  `json:"lightgbm"`
}

func (e expected) vector() []float64 {
	x := make([]float64, len(e.X))
	for i, v := range e.X {
		x[i] = math.NaN()
		if v != nil {
			x[i] = *v
		}
	}
	return x
}

func variable(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("%s is not set; run bench/models/mlserver.sh", name)
	}
	return v
}

func expectations(t *testing.T) []expected {
	t.Helper()
	data, err := os.ReadFile(variable(t, "REBOUND_OIP_EXPECT"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []expected
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

const realModel = `
version: v1
outcome: purchase
unit: probability
features: [customer.recency_days, ret.refund_value]
offer_features: [offer.percent]
offers: [ten, twenty]
`

var realOffers = []models.Candidate{{Arm: 0, X: []float64{10}}, {Arm: 1, X: []float64{20}}}

func TestRealServerPredictsAsTheLibrary(t *testing.T) {
	rows := expectations(t)
	for name, text := range map[string]string{
		"sklearn":  realModel + "model: sklearn\ntimeout: 30s\noutput: {name: predict_proba, column: 1}\n",
		"lightgbm": realModel + "model: lightgbm\ntimeout: 30s\n",
	} {
		t.Run(name, func(t *testing.T) {
			m := open(t, parse(t, variable(t, "REBOUND_OIP_TARGET"), text), remote.Options{})
			if err := m.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			var took []time.Duration
			worst, out := 0.0, make([]models.Score, 2)
			for _, row := range rows {
				want := row.LightGBM
				if name == "sklearn" {
					want = row.Sklearn
				}
				start := time.Now()
				if err := m.Score(t.Context(), row.vector(), realOffers, out); err != nil {
					t.Fatal(err)
				}
				took = append(took, time.Since(start))
				worst = max(worst, math.Abs(out[0].Without-want[0]), math.Abs(out[0].With-want[1]), math.Abs(out[1].With-want[2]))
			}
			slices.Sort(took)
			t.Logf("%d rows of 3: largest difference %.3g, p50 %s, p99 %s", len(rows), worst, took[len(took)/2], took[len(took)*99/100])
			if worst > 1e-12 {
				t.Errorf("largest difference %v", worst)
			}
		})
	}
}

// TestRealServerRefusesAndIsHeard: what the server says is in the error.
func TestRealServerRefusesAndIsHeard(t *testing.T) {
	for name, text := range map[string]string{
		"unknown model":  realModel + "model: nobody\ntimeout: 30s\n",
		"wrong columns":  realModel + "model: lightgbm\ntimeout: 30s\ninputs: [{name: predict, columns: [ret.refund_value, customer.recency_days, offer.percent, offer.percent]}]\n",
		"missing output": realModel + "model: lightgbm\ntimeout: 30s\noutput: {name: predict_proba, column: 1}\n",
		"labels":         realModel + "model: sklearn\ntimeout: 30s\noutput: {name: predict_proba, column: 2}\n",
	} {
		m := open(t, parse(t, variable(t, "REBOUND_OIP_TARGET"), text), remote.Options{})
		out := make([]models.Score, 2)
		err := m.Score(t.Context(), []float64{10, 20}, realOffers, out)
		if !errors.Is(err, models.ErrUnscorable) {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %v", name, err)
	}
}

// TestRealServerStops sends the server SIGSTOP in mid-load: nobody waits longer
// than the deadline, few wait at all, and after SIGCONT it is asked again.
func TestRealServerStops(t *testing.T) {
	pid, err := strconv.Atoi(variable(t, "REBOUND_OIP_PID"))
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, variable(t, "REBOUND_OIP_TARGET"), realModel+"model: lightgbm\ntimeout: 250ms\nretry_after: 100ms\n")
	m := open(t, c, remote.Options{})
	load := func(d time.Duration) (took []time.Duration, scored int) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		end := time.Now().Add(d)
		for range 4 {
			wg.Go(func() {
				out := make([]models.Score, 2)
				for time.Now().Before(end) {
					start := time.Now()
					err := m.Score(t.Context(), []float64{10, 20}, realOffers, out)
					spent := time.Since(start)
					if err != nil && !errors.Is(err, models.ErrUnscorable) {
						t.Error(err)
					}
					mu.Lock()
					took = append(took, spent)
					if err == nil {
						scored++
					}
					mu.Unlock()
					time.Sleep(time.Millisecond)
				}
			})
		}
		wg.Wait()
		slices.Sort(took)
		return took, scored
	}
	report := func(when string, took []time.Duration, scored int) {
		t.Logf("%s: %d calls, %d scored, p50 %s, p99 %s, longest %s", when, len(took), scored, took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
	}
	took, before := load(2 * time.Second)
	report("up", took, before)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	took, scored := load(2 * time.Second)
	report("stopped", took, scored)
	if last := took[len(took)-1]; last > 350*time.Millisecond {
		t.Errorf("a call took %s with a timeout of 250 ms", last)
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if m.Score(t.Context(), []float64{10, 20}, realOffers, make([]models.Score, 2)) == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the server goes on and is not asked")
		}
	}
	took, scored = load(2 * time.Second)
	report("up again", took, scored)
	if before == 0 || scored < before/4 {
		t.Errorf("%d calls scored before, %d after", before, scored)
	}
}
