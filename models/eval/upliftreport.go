package eval

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
)

// UpliftInput is what a model said about one arm and what happened.
type UpliftInput struct {
	Model   string
	Arm     string // the arm whose effect the score predicts
	Outcome string // e.g. "visit"
	Unit    string // "probability", "count" or "money"
	Score   []float64
	Trial   Trial
	// Propensity per row is the chance of the arm, strictly between 0 and 1; nil
	// means the share treated.
	Propensity []float64
	// Mu0 and Mu1 are outcomes predicted without and with the arm by a model that
	// did not see the row; nil means the arm's mean. They sharpen TOC and RATE.
	Mu0, Mu1 []float64
}

// Uplift is everything this package says about a model's effects for one arm.
type Uplift struct {
	Model     string   `json:"model"`
	Arm       string   `json:"arm"`
	Outcome   string   `json:"outcome"`
	Unit      string   `json:"unit"`
	Rows      int      `json:"rows"`
	Customers int      `json:"customers"`
	Effect    Interval `json:"average_effect"`
	Qini      Interval `json:"qini_per_customer"`
	// Classic is QiniClassic, per treated customer.
	Classic float64       `json:"qini_classic_per_treated"`
	At      []UpliftShare `json:"uplift_at"`
	// Calibration is nil where a bin lacks one of the arms.
	Calibration *EffectCalibration `json:"calibration,omitempty"`
	Targeting   Targeting          `json:"targeting"`
	Curve       []Point            `json:"curve"`
	Perfect     []Point            `json:"perfect"`
	Gain        []GainPoint        `json:"gain_over_random"`
	// Peers are the metrics of Python packages by their own definitions; those
	// that are undefined on these rows are left out.
	Peers []Named `json:"peers"`
}

// UpliftShare is the observed effect among the share of customers ranked first.
type UpliftShare struct {
	Share float64 `json:"share"`
	Interval
}

// GainPoint is the height of the uplift curve over the straight line at a share
// of customers, in outcomes per customer.
type GainPoint struct {
	X float64 `json:"x"`
	Interval
}

// Named is a value with a name.
type Named struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// drawnPoints is how many points of a curve a report keeps.
const drawnPoints = 201

// EvaluateUplift computes all metrics of one model for one arm, with intervals
// clustered by customer.
func EvaluateUplift(in UpliftInput, b Bootstrap) (Uplift, error) {
	u, err := in.evaluate(b)
	if err != nil {
		return Uplift{}, fmt.Errorf("evaluate uplift of %q for %q: %w", in.Model, in.Arm, err)
	}
	return u, nil
}

func (in UpliftInput) evaluate(b Bootstrap) (Uplift, error) {
	t := in.Weighted()
	if err := t.checkScored(in.Score); err != nil {
		return Uplift{}, err
	}
	u := Uplift{
		Model: in.Model, Arm: in.Arm, Outcome: in.Outcome, Unit: in.Unit,
		Rows: len(t.Outcome), Customers: dense(t.Cluster, len(t.Outcome)).n,
	}
	order := rank(in.Score)
	walk := order.walk(t, t.weights())
	u.Classic = qini(walk, perTreated)
	u.Curve = Thin(curve(walk, perCustomer), drawnPoints)
	perfect, err := PerfectCurve(t)
	if err != nil {
		return Uplift{}, err
	}
	u.Perfect = Thin(perfect, drawnPoints)
	if err := u.intervals(order, t, b); err != nil {
		return Uplift{}, err
	}
	if u.Targeting, err = in.targeting(b); err != nil {
		return Uplift{}, err
	}
	if u.Calibration, err = in.calibration(b); err != nil {
		return Uplift{}, err
	}
	u.Peers, err = peerMetrics(in.Score, t)
	return u, err
}

// Weighted is the trial whose arms are alike: where the chance of the arm differs
// between rows, each row weighs one over the chance of what it got, so that
// curves and differences of means compare like with like.
func (in UpliftInput) Weighted() Trial {
	t := in.Trial
	if len(in.Propensity) == 0 || len(in.Propensity) != len(t.Treated) || slices.Min(in.Propensity) == slices.Max(in.Propensity) {
		return t
	}
	t.Weight = make([]float64, len(t.Treated))
	for i, p := range in.Propensity {
		if !t.Treated[i] {
			p = 1 - p
		}
		t.Weight[i] = 1 / p
		if in.Trial.Weight != nil {
			t.Weight[i] *= in.Trial.Weight[i]
		}
	}
	return t
}

// intervals bootstraps the average effect, the Qini area, uplift at some shares
// and the gain over random on a grid, all on the same draws.
func (u *Uplift) intervals(order ranking, t Trial, b Bootstrap) error {
	shares := []float64{0.1, 0.2, 0.3, 0.5}
	grid := make([]float64, 19)
	for i := range grid {
		grid[i] = float64(i+1) / 20
	}
	buffers := sync.Pool{New: func() any { return new([]step) }}
	v, err := b.intervals(t.Rows, 2+len(shares)+len(grid), func(w, out []float64) {
		buffer := buffers.Get().(*[]step)
		defer buffers.Put(buffer)
		*buffer = order.walkInto(*buffer, t, w)
		walk := *buffer
		out[0], out[1] = walk[len(walk)-1].difference(), qini(walk, perCustomer)
		for i, q := range shares {
			out[2+i] = upliftAt(walk, q, t.Weight == nil)
		}
		gains(walk, grid, out[2+len(shares):])
	})
	if err != nil {
		return err
	}
	u.Effect, u.Qini = v[0], v[1]
	for i, q := range shares {
		u.At = append(u.At, UpliftShare{Share: q, Interval: v[2+i]})
	}
	for i, x := range grid {
		u.Gain = append(u.Gain, GainPoint{X: x, Interval: v[2+len(shares)+i]})
	}
	return nil
}

// gains reads the uplift curve less the straight line at ascending shares.
func gains(walk []step, grid, out []float64) {
	total := walk[len(walk)-1]
	effect := total.difference()
	var x, y float64
	next := 0
	for _, s := range walk[1:] {
		nx, ny := s.n()/total.n(), perCustomer(s, total)
		for next < len(grid) && grid[next] <= nx && nx > x {
			at := y + (ny-y)*(grid[next]-x)/(nx-x)
			out[next] = at - grid[next]*effect
			next++
		}
		x, y = nx, ny
	}
	for ; next < len(grid); next++ {
		out[next] = math.NaN()
	}
}

func (in UpliftInput) targeting(b Bootstrap) (Targeting, error) {
	propensity := in.Propensity
	if propensity == nil {
		var err error
		if propensity, err = Share(in.Trial); err != nil {
			return Targeting{}, err
		}
	}
	effect, err := EffectScores(in.Trial, propensity, in.Mu0, in.Mu1)
	if err != nil {
		return Targeting{}, err
	}
	g, err := RATE(in.Score, effect, in.Trial.Rows, b)
	g.TOC = Thin(g.TOC, drawnPoints)
	return g, err
}

func (in UpliftInput) calibration(b Bootstrap) (*EffectCalibration, error) {
	c, err := CalibrateEffect(in.Score, in.Weighted(), 10, b.level())
	if errors.Is(err, ErrUndefined) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// peerMetrics computes what the Python packages would have said. Weighted rows
// and, for scikit-uplift, outcomes other than 0 and 1 have no such metrics.
func peerMetrics(score []float64, t Trial) ([]Named, error) {
	metrics := []struct {
		name   string
		metric func() (float64, error)
	}{
		{"scikit-uplift qini_auc_score", func() (float64, error) { return SkliftQini(score, t, true) }},
		{"scikit-uplift uplift_auc_score", func() (float64, error) { return SkliftAUUC(score, t) }},
		{"scikit-uplift uplift_at_k, 30 %, overall", func() (float64, error) { return SkliftUpliftAtK(0.3, score, t, false) }},
		{"scikit-uplift uplift_at_k, 30 %, by group", func() (float64, error) { return SkliftUpliftAtK(0.3, score, t, true) }},
		{"causalml qini_score, normalised", func() (float64, error) { return CausalMLQini(score, t, true) }},
		{"causalml qini_score, raw", func() (float64, error) { return CausalMLQini(score, t, false) }},
		{"causalml auuc_score, normalised", func() (float64, error) { return CausalMLAUUC(score, t, true) }},
		{"causalml auuc_score, raw", func() (float64, error) { return CausalMLAUUC(score, t, false) }},
	}
	var out []Named
	for _, m := range metrics {
		v, err := m.metric()
		switch {
		case err == nil:
			out = append(out, Named{m.name, v})
		case !errors.Is(err, ErrUndefined) && !errors.Is(err, ErrColumns):
			return nil, err
		}
	}
	return out, nil
}

// CompareUplift is the Qini area per customer of first less that of second on
// the same draws of customers.
func CompareUplift(first, second []float64, t Trial, b Bootstrap) (Interval, error) {
	for _, score := range [][]float64{first, second} {
		if err := t.checkScored(score); err != nil {
			return Interval{}, fmt.Errorf("compare uplift: %w", err)
		}
	}
	one, two := rank(first), rank(second)
	v, err := b.intervals(t.Rows, 1, func(w, out []float64) {
		out[0] = qini(one.walk(t, w), perCustomer) - qini(two.walk(t, w), perCustomer)
	})
	if err != nil {
		return Interval{}, fmt.Errorf("compare uplift: %w", err)
	}
	return v[0], nil
}
