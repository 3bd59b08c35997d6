package learner

import (
	"testing"

	"github.com/rebound-engine/rebound/models"
)

// pickField makes choices whose losses differ by row: sure leaves no doubt
// which is worse, otherwise the rows disagree.
func pickField(n int) func(name string, base Base, loss float64, sure bool) *choice {
	return func(name string, base Base, loss float64, sure bool) *choice {
		c := &choice{name: name, members: []*Candidate{{Name: name, Base: base}}, weight: []float64{1}, effects: [][]float64{make([]float64, n)}}
		c.verdict = &judgement{loss: loss, point: make([]float64, n)}
		for i := range c.verdict.point {
			c.verdict.point[i] = loss
			if !sure {
				c.verdict.point[i] += float64(i%2*20 - 10)
			}
		}
		return c
	}
}

func TestSettle(t *testing.T) {
	const n = 100
	d := &Dataset{Outcome: "y", Unit: "money", Offers: []string{"a"}, Features: []models.Feature{{Name: "x"}}, X: [][]float64{make([]float64, n)}}
	for i := range n {
		d.X[0][i] = float64(i)
		d.Y, d.Arm = append(d.Y, float64(i%3)), append(d.Arm, i%2)
	}
	w, err := newWork(d, 2, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	entrant := pickField(n)
	blend := func(loss float64, sure bool) *choice {
		c := entrant("blend", BaseBoost, loss, sure)
		c.members = append(c.members, &Candidate{Name: "more"})
		return c
	}
	for name, c := range map[string]struct {
		field   []*choice
		noBlend bool
		want    string
	}{
		"nobody can tell": {[]*choice{entrant("l1", BaseLinear, 0, false), entrant("l2", BaseLinear, -1, true), entrant("t1", BaseBoost, 0, false), entrant("t2", BaseBoost, -0.5, false)}, false, "l1 + t1"},
		"one is wanted":   {[]*choice{entrant("l1", BaseLinear, 0, false), entrant("t1", BaseBoost, 0, false), entrant("t2", BaseBoost, -0.5, true)}, true, "t2"},
		"trees are best":  {[]*choice{entrant("l1", BaseLinear, 0, true), entrant("t1", BaseBoost, -0.5, false), entrant("t2", BaseBoost, -1, true)}, false, "t2"},
		"blend is best":   {[]*choice{entrant("l1", BaseLinear, 0, true), entrant("t1", BaseBoost, -1, false), blend(-2, true)}, false, "blend"},
		"blend is close":  {[]*choice{entrant("l1", BaseLinear, 0, true), entrant("t1", BaseBoost, -1, true), blend(-0.9, false)}, false, "blend"},
		"blend is behind": {[]*choice{entrant("l1", BaseLinear, 0, true), entrant("t1", BaseBoost, -1, true), blend(-0.9, true)}, false, "t1"},
		"no tree to pair": {[]*choice{entrant("l1", BaseLinear, 0, false), entrant("t1", BaseBoost, 0, true), blend(-2, true)}, false, "blend"},
		"linear is best":  {[]*choice{entrant("l1", BaseLinear, 0, false), entrant("l2", BaseLinear, -1, true), entrant("t1", BaseBoost, 0, true)}, false, "l1"},
	} {
		m := &match{spec: Spec{NoBlend: c.noBlend}, w: w, nuis: []*nuisance{2: {level: w.columns(2)}}}
		if got := m.settle(c.field).name; got != c.want {
			t.Errorf("%s: picked %s, want %s", name, got, c.want)
		}
	}
}
