package engine

import (
	"strings"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/rules"
)

// featureSlot ties a row of the feature table to a variable.
type featureSlot struct {
	feature  profile.Feature
	slot     rules.Slot
	personal bool
}

func bindFeatures(env *rules.Env) []featureSlot {
	var out []featureSlot
	for _, f := range profile.Table() {
		if slot := env.Slot(f.Name); slot >= 0 {
			out = append(out, featureSlot{f, slot, featureVariable(f).Purpose == rules.PurposePersonal})
		}
	}
	return out
}

// scratch is the memory of one decision at a time, reused.
type scratch struct {
	task     task
	frame    *rules.Frame
	seen     profile.Seen
	ret      profile.Return
	vector   []float64
	x        []float64
	cands    []models.Candidate
	index    []int            // offer index of cands[i]
	raw      []models.Score   // scores of cands
	scores   [][]models.Score // by outcome, then offer index
	outcomes []outcomeModel   // as this decision's customer gets them
	sides    []outcomeModel   // memory of outcomes, where a challenger decides
	rungs    []Rung           // by outcome
	budgets  []budgetRoom
	draws    []drawable
	offers   offerList       // of the customer; shares the record's memory
	known    []profile.Offer // of them, what features are made of
	drawn    []int           // candidate index of draws[i]
	lists    [][]string
	cats     []string
	applies  [][]string // by offer: the categories it applies to
	gross    []float64  // by candidate: value of goals before shadow prices
	lower    []float64
	entry    []byte
	encoded  []byte    // the variables, as the entry has them
	values   values    // of the candidates, as the entry has them
	key      []byte    // of the record read last
	verdicts []verdict // of rules that read no candidate field
}

func newScratch(s *snapshot) *scratch {
	x := &scratch{frame: s.env.NewFrame(), rungs: make([]Rung, len(s.outcomes)), scores: make([][]models.Score, len(s.outcomes))}
	offers := 0
	for i := range s.outcomes {
		if m := s.outcomes[i].model; m != nil {
			offers = len(m.arms)
		}
	}
	if company := s.scopes[""]; company != nil {
		offers = len(company.Offers)
	}
	for i := range x.scores {
		x.scores[i] = make([]models.Score, offers)
	}
	x.applies = make([][]string, offers)
	return x
}

// setRequest sets what the request says, and the business time.
func (t *task) setRequest() {
	f, s, r := t.frame, &t.snap.slots, t.req
	f.SetString(s.channel, r.Channel.String())
	f.SetString(s.phase, r.Phase.String())
	f.SetString(s.scope, t.d.Scope)
	f.SetString(s.store, t.d.Scope[strings.LastIndexByte(t.d.Scope, '.')+1:])
	f.SetString(s.jurisdiction, r.Jurisdiction)
	f.SetBool(s.consent, t.d.Consent)
	f.SetBool(s.hasAssociate, r.AssociateID != "")
	f.SetBool(s.hasBasket, r.Basket != nil)
	if r.Basket != nil {
		f.SetNumber(s.basketInHand, float64(*r.Basket)/t.plan.minorPerOne)
	}
	t.setNow()
}

func (t *task) setNow() {
	f, s := t.frame, &t.snap.slots
	f.SetNumber(s.hour, float64(t.now.Hour()))
	f.SetNumber(s.weekday, float64(t.now.Weekday()))
	f.SetNumber(s.dayOfMonth, float64(t.now.Day()))
	f.SetNumber(s.month, float64(t.now.Month()))
	f.SetNumber(s.year, float64(t.now.Year()))
}

// setFacts sets store.*; a fact the store lacks does not exist.
func (t *task) setFacts(facts []rules.Fact) {
	for i := range facts {
		facts[i].Set(t.frame)
	}
}

// setFeatures sets customer.* and ret.* as far as consent lets them exist.
func (t *task) setFeatures() {
	t.vector = t.seen.Vector(t.vector[:0])
	list := 0
	for i := range t.snap.slots.features {
		b := &t.snap.slots.features[i]
		if b.personal && !t.d.Consent {
			continue
		}
		switch b.feature.Type {
		case profile.Bool:
			t.frame.SetBool(b.slot, t.vector[b.feature.Slot] == 1)
		case profile.Number:
			t.frame.SetNumber(b.slot, t.vector[b.feature.Slot])
		case profile.String:
			t.frame.SetString(b.slot, t.seen.Text(&b.feature))
		case profile.Strings:
			if list == len(t.lists) {
				t.lists = append(t.lists, nil)
			}
			t.lists[list] = t.seen.Texts(t.lists[list][:0], &b.feature)
			t.frame.SetStrings(b.slot, t.lists[list])
			list++
		}
	}
}

// setOffer makes offer.* those of one offer; parameters of others do not exist.
func (t *task) setOffer(o *rules.Offer) {
	f, s := t.frame, &t.snap.slots
	for _, slot := range s.params {
		f.Unset(slot)
	}
	f.SetString(s.offerID, o.ID)
	f.SetString(s.offerKind, string(o.Kind))
	f.SetNumber(s.offerMax, float64(o.Ceiling)/t.plan.minorPerOne)
	f.SetNumber(s.offerHours, o.Validity.Hours())
	for _, p := range o.Params {
		if p.IsText {
			f.SetString(p.Slot, p.Text)
		} else {
			f.SetNumber(p.Slot, p.Number)
		}
	}
}

// setScores makes <outcome>.* those of one offer.
func (t *task) setScores(offer int) {
	f := t.frame
	for i := range t.outcomes {
		o := &t.outcomes[i]
		if o.Model == rules.ModelProfile {
			continue
		}
		v := t.scoreOf(i, offer)
		f.SetNumber(o.With, v.With)
		f.SetNumber(o.WithoutSlot, v.Without)
		f.SetNumber(o.Uplift, v.Uplift())
		f.SetNumber(o.Lower, v.Lower)
		f.SetNumber(o.Upper, v.Upper)
	}
}

// scoreOf is the score of an outcome for an offer, aliases resolved.
func (t *task) scoreOf(outcome, offer int) *models.Score {
	if of := t.outcomes[outcome].of; of >= 0 {
		outcome = of
	}
	return &t.scores[outcome][offer]
}

// setBasket sets the expected next basket and its margin rate: the basket in
// hand where there is one, else what the profile expects, else (nothing known
// of the person) the value of this return.
func (t *task) setBasket() {
	f, s := t.frame, &t.snap.slots
	basket, known := 0.0, true
	switch expected, ok := f.Number(t.snap.env.Slot("customer.expected_basket")); {
	case t.req.Basket != nil:
		basket = float64(*t.req.Basket) / t.plan.minorPerOne
	case ok:
		basket = expected
	case t.req.Return.Refund > 0:
		basket = float64(t.req.Return.Refund) / t.plan.minorPerOne
	default:
		known = false
	}
	if known {
		f.SetNumber(s.basketWith, basket)
		f.SetNumber(s.basketWithout, basket)
	}
	if rate, ok := t.marginRate(); ok {
		f.SetNumber(s.basketMargin, rate)
		t.d.MarginRate = rate
	}
}

// defaultCategory stands in reference/categories.yaml for categories it does not list.
const defaultCategory = "default"

// marginRate averages margin_rate over the customer's categories by affinity;
// where they may not be used or are not known, over the returned lines by value.
func (t *task) marginRate() (float64, bool) {
	var sum, weight float64
	add := func(category string, w float64) {
		rate, ok := t.snap.bundle.CategoryFact(category, "margin_rate")
		if !ok {
			rate, ok = t.snap.bundle.CategoryFact(defaultCategory, "margin_rate")
		}
		if ok && w > 0 {
			sum, weight = sum+rate*w, weight+w
		}
	}
	if t.d.Consent {
		view := t.seen.View()
		t.cats = view.TopCategories(t.cats[:0])
		for _, c := range t.cats {
			add(c, view.Affinity(c))
		}
	}
	if weight == 0 {
		for i := range t.req.Return.Lines {
			add(t.req.Return.Lines[i].Category, float64(max(t.req.Return.Lines[i].Paid, 1)))
		}
	}
	if weight == 0 {
		add(defaultCategory, 1)
	}
	return sum / weight, weight > 0
}

// frameVariables lists what is set, by name, for an explanation.
func (t *task) frameVariables() []Variable {
	out := make([]Variable, 0, len(t.snap.logged))
	for i := range t.snap.logged {
		l := &t.snap.logged[i]
		v := Variable{Name: l.source.Name, Type: l.typ, Purpose: uint8(l.source.Purpose)}
		if l.read(t.frame, &v) {
			out = append(out, v)
		}
	}
	sortVariables(out)
	return out
}

// read fills the value of a variable; false if it does not exist.
func (l *loggedVariable) read(f *rules.Frame, v *Variable) (ok bool) {
	switch l.typ {
	case StringValue:
		v.Text, ok = f.Text(l.slot)
		v.Text = strings.Clone(v.Text)
	case StringsValue:
		var list []string
		list, ok = f.List(l.slot)
		for _, x := range list {
			v.List = append(v.List, strings.Clone(x))
		}
	default:
		v.Number, ok = f.Number(l.slot)
	}
	return ok
}
