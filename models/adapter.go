package models

import (
	"fmt"
	"math"
	"sync"
)

// Function is a fitted function of a row of numbers: one prediction of an
// ensemble, or anything else behind Row.
type Function struct {
	Ensemble *Ensemble // evaluated by masks; nil: Row is called
	Output   int       // which of the ensemble's predictions is meant
	// Row predicts one row of Width values; it must be safe for concurrent use
	// and keep nothing of the row.
	Row   func(row []float64) (float64, error)
	Width int
}

// InputKind says where an input of a Function comes from.
type InputKind uint8

// The kinds of inputs.
const (
	InputCustomer InputKind = iota // Schema.Features[Index]
	InputOffer                     // Schema.OfferFeatures[Index]; Off without an offer
	InputArm                       // On for the offer Schema.Offers[Index], else Off
	InputArmCode                   // Codes[i] for the offer Schema.Offers[i], else Off
	InputConstant                  // On
)

// Input is one input of a Function, in its row order.
type Input struct {
	Kind    InputKind
	Index   int
	On, Off float64
	Codes   []float64
}

// AdapterConfig makes functions that were fitted elsewhere serve as a Model.
type AdapterConfig struct {
	Schema Schema
	// Without predicts the outcome without an offer. In an S-learner it predicts
	// with an offer too (SLearner), by inputs that depend on the offer.
	Without Function
	Inputs  []Input // of Without
	// SLearner: Without serves every offer. Its offer inputs tell them apart.
	SLearner bool
	// With predicts the outcome per offer of the Schema (a T-learner). An offer
	// without a function, and every offer if With is empty, has no lift.
	With       []Function
	WithInputs [][]Input // of With; nil: those of Without
	// HalfWidth is half of the 95 % interval of the uplift, if it is known by
	// other means. 0: a probability is bounded by what is possible at all, any
	// other unit by -Inf and +Inf.
	HalfWidth float64
}

// Adapter is a Model over functions fitted elsewhere: an S-learner with offer
// inputs, a T-learner of one function per offer, or a baseline that knows no
// lift. Ensembles are scored by masks, the inputs of an offer applied beforehand.
type Adapter struct {
	schema    Schema
	heads     []*head
	armHead   []int // per offer: its head, -1 for no lift
	anyOffer  int   // the head for offers that the schema does not list, -1 for no lift
	halfWidth float64
	sLearner  bool
	scratch   sync.Pool
}

// NewAdapter checks that every input can be filled and compiles the functions.
func NewAdapter(c AdapterConfig) (*Adapter, error) {
	a := &Adapter{schema: c.Schema, halfWidth: c.HalfWidth, sLearner: c.SLearner, anyOffer: -1}
	if !(c.HalfWidth >= 0) || math.IsInf(c.HalfWidth, 0) {
		return nil, fmt.Errorf("adapt model: half width %v", c.HalfWidth)
	}
	if c.SLearner && len(c.With) > 0 {
		return nil, fmt.Errorf("adapt model: an S-learner has no functions per offer")
	}
	if len(c.With) > 0 && len(c.With) != len(c.Schema.Offers) {
		return nil, fmt.Errorf("adapt model: %d functions for %d offers", len(c.With), len(c.Schema.Offers))
	}
	if err := a.addHead(c.Without, c.Inputs); err != nil {
		return nil, fmt.Errorf("adapt model without offer: %w", err)
	}
	for i, id := range c.Schema.Offers {
		if err := a.addArm(&c, i); err != nil {
			return nil, fmt.Errorf("adapt model for offer %q: %w", id, err)
		}
	}
	if c.SLearner && a.heads[0].readsOffer {
		a.anyOffer = 0
	}
	a.scratch.New = func() any { return a.newScratch() }
	return a, nil
}

func (a *Adapter) addArm(c *AdapterConfig, i int) error {
	switch {
	case c.SLearner:
		a.armHead = append(a.armHead, 0)
		return nil
	case len(c.With) == 0 || (c.With[i].Ensemble == nil && c.With[i].Row == nil):
		a.armHead = append(a.armHead, -1)
		return nil
	}
	inputs := c.Inputs
	if c.WithInputs != nil {
		if len(c.WithInputs) != len(c.With) {
			return fmt.Errorf("%d lists of inputs for %d functions", len(c.WithInputs), len(c.With))
		}
		inputs = c.WithInputs[i]
	}
	a.armHead = append(a.armHead, len(a.heads))
	return a.addHead(c.With[i], inputs)
}

func (a *Adapter) addHead(f Function, inputs []Input) error {
	h, err := newHead(&a.schema, f, inputs)
	if err != nil {
		return err
	}
	a.heads = append(a.heads, h)
	return nil
}

// Schema describes inputs and outputs. The result must not be changed.
func (a *Adapter) Schema() *Schema { return &a.schema }

// head is one compiled function with its inputs.
type head struct {
	f          Function
	inputs     []Input
	readsOffer bool // some input is an offer feature
	// For ensembles:
	split     *Split
	explainer *TreeExplainer
	fixed     []*PreparedOffer // per offer of the schema, last without offer; nil if readsOffer
	slots     []offerSlot      // per offer, last for all others, if readsOffer
	offers    []int            // the inputs that are not the customer's
}

func newHead(schema *Schema, f Function, inputs []Input) (*head, error) {
	h := &head{f: f, inputs: inputs}
	for i, in := range inputs {
		if err := in.check(schema); err != nil {
			return nil, fmt.Errorf("input %d: %w", i, err)
		}
		h.readsOffer = h.readsOffer || in.Kind == InputOffer
	}
	if f.Ensemble == nil {
		if f.Row == nil || f.Width != len(inputs) {
			return nil, fmt.Errorf("a function of %d inputs is given %d", f.Width, len(inputs))
		}
		return h, nil
	}
	return h, h.compile(schema)
}

func (in *Input) check(schema *Schema) error {
	var limit int
	switch in.Kind {
	case InputCustomer:
		limit = len(schema.Features)
	case InputOffer:
		limit = len(schema.OfferFeatures)
	case InputArm:
		limit = len(schema.Offers)
	case InputArmCode:
		if len(in.Codes) != len(schema.Offers) {
			return fmt.Errorf("%d codes for %d offers", len(in.Codes), len(schema.Offers))
		}
		return nil
	case InputConstant:
		return nil
	default:
		return fmt.Errorf("unknown kind %d", in.Kind)
	}
	if in.Index < 0 || in.Index >= limit {
		return fmt.Errorf("index %d of %d", in.Index, limit)
	}
	return nil
}

// compile splits the ensemble's inputs and applies what is known of the offers.
func (h *head) compile(schema *Schema) error {
	e := h.f.Ensemble
	if len(e.Features) != len(h.inputs) {
		return fmt.Errorf("an ensemble of %d inputs is given %d", len(e.Features), len(h.inputs))
	}
	if h.f.Output < 0 || h.f.Output >= e.Predictions() {
		return fmt.Errorf("prediction %d of %d", h.f.Output, e.Predictions())
	}
	scorer, err := NewScorer(e)
	if err != nil {
		return err
	}
	customer, extra := make([]int32, len(schema.Features)), []int32{}
	for i := range customer {
		customer[i] = -1
	}
	for i, in := range h.inputs {
		switch {
		case in.Kind != InputCustomer:
			extra = append(extra, int32(i))
			h.offers = append(h.offers, i)
		case customer[in.Index] < 0:
			customer[in.Index] = int32(i)
		default:
			return fmt.Errorf("feature %q feeds two inputs", schema.Features[in.Index].Name)
		}
	}
	if h.split, err = scorer.Split(customer, extra); err != nil {
		return err
	}
	if x, err := NewTreeExplainer(e); err == nil {
		h.explainer = x
	}
	h.prepareFixed(len(schema.Offers))
	return nil
}

func (h *head) prepareFixed(offers int) {
	values := make([]float64, len(h.offers))
	if h.readsOffer {
		h.slots = make([]offerSlot, offers+1)
	}
	for arm := range offers {
		if !h.readsOffer {
			h.fill(values, Candidate{Arm: arm})
			h.fixed = append(h.fixed, h.split.Prepare(values))
		}
	}
	h.fill(values, Candidate{Arm: -1})
	h.fixed = append(h.fixed, h.split.Prepare(values))
}

// fill sets the values of the offer inputs; a candidate without offer features
// counts as no offer for them.
func (h *head) fill(values []float64, c Candidate) {
	for k, i := range h.offers {
		values[k] = h.inputs[i].value(c)
	}
}

// value is the input's value for a candidate; customer inputs have none.
func (in *Input) value(c Candidate) float64 {
	switch in.Kind {
	case InputOffer:
		if c.X != nil {
			return c.X[in.Index]
		}
	case InputArm:
		if c.Arm == in.Index {
			return in.On
		}
	case InputArmCode:
		if c.Arm >= 0 {
			return in.Codes[c.Arm]
		}
	case InputConstant:
		return in.On
	}
	return in.Off
}
