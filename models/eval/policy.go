package eval

import (
	"fmt"
	"math"
)

// Logged are decisions drawn by one policy, with what another policy would have
// done. The outcome is the reward of the action that was taken.
type Logged struct {
	Rows
	// Propensity per row: the chance with which the logged policy drew the action it took; above 0.
	Propensity []float64
	// Target per row: the chance the judged policy gives to that action.
	Target []float64
	// Q per row: the estimated reward of the action taken. Needed by DM and the doubly robust family.
	Q []float64
	// V per row: the mean estimated reward under the judged policy. Needed with Q.
	V []float64
}

// Estimator computes the value of a policy from Logged decisions.
type Estimator struct {
	Kind   EstimatorKind
	Lambda float64 // of the kinds that have one
}

// EstimatorKind is a formula. With w = Target/Propensity, r the outcome, q and v
// as in Logged, and every mean weighted by Rows.Weight.
type EstimatorKind uint8

const (
	// IPS is mean(w r), inverse propensity scoring (Horvitz and Thompson, JASA 47, 1952).
	IPS EstimatorKind = iota
	// SNIPS is sum(w r)/sum(w), self-normalised (Swaminathan and Joachims, NeurIPS 2015).
	SNIPS
	// IPSClip is mean(min(w, lambda) r).
	IPSClip
	// SubGaussianIPS has weight w/(1-lambda+lambda w) (Metelli, Russo and Restelli, NeurIPS 2021).
	SubGaussianIPS
	// DM is mean(v), the direct method: it trusts the model alone.
	DM
	// DR is mean(v + w (r-q)), doubly robust (Dudík, Langford and Li, ICML 2011).
	DR
	// SNDR is mean(v) + sum(w (r-q))/sum(w).
	SNDR
	// DRClip is mean(v + min(w, lambda) (r-q)).
	DRClip
	// SwitchDR is mean(v + w 1{w <= lambda} (r-q)) (Wang, Agarwal and Dudík, ICML 2017).
	SwitchDR
	// DRos has weight lambda w/(w^2+lambda), optimistic shrinkage (Su, Dimakopoulou,
	// Krishnamurthy and Dudík, ICML 2020).
	DRos
	// SubGaussianDR is DR with the weight of SubGaussianIPS.
	SubGaussianDR
)

// form says how a kind is put together.
type form struct {
	name   string
	model  bool // reads Q and V
	ratio  bool // divides by the sum of weights instead of the rows
	lambda bool
	weight func(w, lambda float64) float64
}

func (k EstimatorKind) form() (form, bool) {
	plain := func(w, _ float64) float64 { return w }
	clip := func(w, l float64) float64 { return min(w, l) }
	subGaussian := func(w, l float64) float64 { return w / (1 - l + l*w) }
	switch k {
	case IPS:
		return form{name: "IPS", weight: plain}, true
	case SNIPS:
		return form{name: "SNIPS", ratio: true, weight: plain}, true
	case IPSClip:
		return form{name: "IPS clipped", lambda: true, weight: clip}, true
	case SubGaussianIPS:
		return form{name: "sub-Gaussian IPS", lambda: true, weight: subGaussian}, true
	case DM:
		return form{name: "DM", model: true, weight: func(_, _ float64) float64 { return 0 }}, true
	case DR:
		return form{name: "DR", model: true, weight: plain}, true
	case SNDR:
		return form{name: "SNDR", model: true, ratio: true, weight: plain}, true
	case DRClip:
		return form{name: "DR clipped", model: true, lambda: true, weight: clip}, true
	case SwitchDR:
		return form{name: "switch-DR", model: true, lambda: true, weight: func(w, l float64) float64 {
			if w > l {
				return 0
			}
			return w
		}}, true
	case DRos:
		return form{name: "DR with optimistic shrinkage", model: true, lambda: true, weight: func(w, l float64) float64 {
			return l * w / (w*w + l)
		}}, true
	case SubGaussianDR:
		return form{name: "sub-Gaussian DR", model: true, lambda: true, weight: subGaussian}, true
	default:
		return form{}, false
	}
}

// String names the estimator with its lambda.
func (e Estimator) String() string {
	f, ok := e.Kind.form()
	switch {
	case !ok:
		return fmt.Sprintf("estimator %d", e.Kind)
	case f.lambda:
		return fmt.Sprintf("%s (lambda %v)", f.name, e.Lambda)
	default:
		return f.name
	}
}

// PolicyValue is the mean outcome the judged policy would have had.
func PolicyValue(l Logged, e Estimator) (float64, error) {
	terms, err := l.terms(e)
	if err != nil {
		return 0, fmt.Errorf("policy value by %s: %w", e, err)
	}
	v := terms.value(l.weights())
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("policy value by %s: the judged policy never takes a logged action: %w", e, ErrUndefined)
	}
	return v, nil
}

// PolicyValues computes several estimators on the same draws of customers.
func PolicyValues(l Logged, es []Estimator, b Bootstrap) ([]Interval, error) {
	terms := make([]policyTerms, len(es))
	for j, e := range es {
		var err error
		if terms[j], err = l.terms(e); err != nil {
			return nil, fmt.Errorf("policy value by %s: %w", e, err)
		}
	}
	v, err := b.intervals(l.Rows, len(es), func(w, out []float64) {
		for j := range terms {
			out[j] = terms[j].value(w)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("policy values: %w", err)
	}
	return v, nil
}

// policyTerms are the per-row parts of an estimator.
type policyTerms struct {
	base       []float64 // v, or nil without a model
	correction []float64 // weight times (r-q)
	weight     []float64
	ratio      bool
}

func (l Logged) terms(e Estimator) (policyTerms, error) {
	f, ok := e.Kind.form()
	if !ok {
		return policyTerms{}, fmt.Errorf("no such kind: %w", ErrColumns)
	}
	if f.lambda && !(e.Lambda >= 0) {
		return policyTerms{}, fmt.Errorf("lambda %v, want at least 0: %w", e.Lambda, ErrColumns)
	}
	if err := l.check(f.model); err != nil {
		return policyTerms{}, err
	}
	n := len(l.Outcome)
	t := policyTerms{correction: make([]float64, n), weight: make([]float64, n), ratio: f.ratio}
	for i, r := range l.Outcome {
		t.weight[i] = f.weight(l.Target[i]/l.Propensity[i], e.Lambda)
		if f.model {
			r -= l.Q[i]
		}
		t.correction[i] = t.weight[i] * r
	}
	if f.model {
		t.base = l.V
	}
	return t, nil
}

func (t policyTerms) value(w []float64) float64 {
	var n, base, correction, weight float64
	for i, x := range w {
		n += x
		correction += x * t.correction[i]
		weight += x * t.weight[i]
		if t.base != nil {
			base += x * t.base[i]
		}
	}
	if t.ratio {
		return base/n + correction/weight
	}
	return (base + correction) / n
}

func (l Logged) check(model bool) error {
	if err := l.Rows.check(); err != nil {
		return err
	}
	n := len(l.Outcome)
	if err := finite("propensity", l.Propensity, n); err != nil {
		return err
	}
	if err := finite("target", l.Target, n); err != nil {
		return err
	}
	for i, p := range l.Propensity {
		if p < 1/extreme || p > 1 {
			return fmt.Errorf("propensity: row %d is %v, want above 0, at most 1: %w", i, p, ErrColumns)
		}
		if l.Target[i] < 0 || l.Target[i] > 1 {
			return fmt.Errorf("target: row %d is %v, want a chance: %w", i, l.Target[i], ErrColumns)
		}
	}
	if !model {
		return nil
	}
	if err := finite("q", l.Q, n); err != nil {
		return err
	}
	return finite("v", l.V, n)
}

// Support says how much the log knows about the judged policy.
type Support struct {
	Effective  float64 `json:"effective_rows"` // (sum w)^2 / sum w^2
	MaxWeight  float64 `json:"max_weight"`     // the largest Target/Propensity
	MeanWeight float64 `json:"mean_weight"`    // near 1 if the log covers what the policy does
	Matched    float64 `json:"matched"`        // share of rows whose action the policy may take
}

// Supported computes how well the log supports the judged policy. A mean weight
// well below 1 means that the policy takes actions that were never logged: its
// value is then a guess of the model, whatever the interval says.
func Supported(l Logged) (Support, error) {
	if err := l.check(false); err != nil {
		return Support{}, fmt.Errorf("support: %w", err)
	}
	var s Support
	var n, total, squares float64
	for i, x := range l.weights() {
		w := l.Target[i] / l.Propensity[i]
		n += x
		total += x * w
		squares += x * x * w * w
		s.MaxWeight = max(s.MaxWeight, w)
		if w > 0 {
			s.Matched += x
		}
	}
	if squares == 0 {
		return Support{}, fmt.Errorf("support: the judged policy never takes a logged action: %w", ErrUndefined)
	}
	s.Effective, s.MeanWeight, s.Matched = total*total/squares, total/n, s.Matched/n
	return s, nil
}
