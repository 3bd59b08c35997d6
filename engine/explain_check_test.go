package engine_test

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/internal/currency"
)

// explanation is the text of one voice taken apart by somebody who knows the
// decision's trace and the language, but not the code that wrote it: every line
// must match a form of the language, every fact in it must be in the trace, and
// every fact the voice owes must have been said.
type explanation struct {
	d      *engine.Decision
	voice  engine.Voice
	said   map[string]int // facts that were told, by key
	cur    *engine.Candidate
	errors []string
}

// form is one sentence of the language: a pattern and what makes it true.
type form struct {
	re    *regexp.Regexp
	voice engine.Voice // the least informed voice that may say it
	check func(x *explanation, m []string)
}

func (x *explanation) wrong(format string, args ...any) {
	x.errors = append(x.errors, fmt.Sprintf(format, args...))
}

func (x *explanation) want(ok bool, format string, args ...any) {
	if !ok {
		x.wrong(format, args...)
	}
}

// note records that a fact was told; one is told once.
func (x *explanation) note(key string) {
	if x.said[key]++; x.said[key] > 1 {
		x.wrong("%s is said twice", key)
	}
}

// amount checks "-1.25 USD" against major units, as rounded to minor ones.
func (x *explanation) amount(text string, v float64) {
	number, code, _ := strings.Cut(text, " ")
	got, err := strconv.ParseFloat(number, 64)
	step := math.Pow10(-x.d.Exponent)
	x.want(err == nil && code == x.d.Currency && math.Abs(got-v) <= step/2+1e-9*math.Abs(v), "%q is not %v", text, v)
	_, decimals, _ := strings.Cut(number, ".")
	x.want(len(decimals) == x.d.Exponent, "%q has %d decimals", text, len(decimals))
	x.want(number[0] != '-' || got != 0, "%q has a sign", text)
}

// minor checks "12.50 USD" against minor units, exactly.
func (x *explanation) minor(text string, v int64) {
	number, code, _ := strings.Cut(text, " ")
	got, err := currency.Parse(number, code)
	x.want(err == nil && code == x.d.Currency && got == v, "%q is not %d minor units", text, v)
}

// share checks "12.5 %" against a share.
func (x *explanation) share(text string, v float64) {
	switch text {
	case "less than 0.1 %":
		x.want(v > 0 && v < 0.001, "%q is not %v", text, v)
		return
	case "more than 99.9 %":
		x.want(v < 1 && v > 0.999, "%q is not %v", text, v)
		return
	}
	got, err := strconv.ParseFloat(strings.TrimSuffix(text, " %"), 64)
	x.want(err == nil && math.Abs(got-100*v) <= 0.05+1e-9*math.Abs(v), "%q is not %v", text, v)
	x.want(got != 0 || v == 0, "%q: it is %v, not impossible", text, v)
	x.want(got != 100 || v >= 1, "%q: it is %v, not sure", text, v)
}

// figure checks a number with a stated number of decimals.
func (x *explanation) figure(text string, v float64, decimals int) {
	got, err := strconv.ParseFloat(text, 64)
	_, frac, _ := strings.Cut(text, ".")
	x.want(err == nil && len(frac) == decimals && math.Abs(got-v) <= 0.5*math.Pow10(-decimals)+1e-9*math.Abs(v), "%q is not %v", text, v)
}

// exact checks a number written in full.
func (x *explanation) exact(text string, v float64) {
	got, err := strconv.ParseFloat(text, 64)
	x.want(err == nil && got == v, "%q is not %v", text, v)
}

// candidate finds a candidate or objects and returns an empty one.
func (x *explanation) candidate(id string) *engine.Candidate {
	if c := x.d.Candidate(id); c != nil {
		return c
	}
	x.wrong("there is no candidate %q", id)
	return &engine.Candidate{}
}

// checkExplanation objects to whatever is wrong with an explanation.
func checkExplanation(d *engine.Decision, v engine.Voice, text string) []string {
	x := &explanation{d: d, voice: v, said: map[string]int{}}
	if text != "" && !strings.HasSuffix(text, "\n") {
		x.wrong("the last line does not end")
	}
	for line := range strings.Lines(text) {
		x.line(strings.TrimSuffix(line, "\n"))
	}
	if v == engine.VoiceAssociate {
		x.owesAssociate()
	} else {
		x.owes()
	}
	if v == engine.VoiceEngineer {
		x.owesEngineer()
	}
	return x.errors
}

// line finds the form of a line. The associate's language is its own.
func (x *explanation) line(line string) {
	language := plainForms
	if x.voice == engine.VoiceAssociate {
		language = associateForms
	}
	for i := range language {
		f := &language[i]
		if f.voice < x.voice {
			continue
		}
		if m := f.re.FindStringSubmatch(line); m != nil {
			before := len(x.errors)
			f.check(x, m)
			for k := before; k < len(x.errors); k++ {
				x.errors[k] = line + ": " + x.errors[k]
			}
			return
		}
	}
	x.wrong("%q is no sentence of the %s", line, x.voice)
}

func (x *explanation) owed(key string) { x.want(x.said[key] == 1, "%s is not said", key) }

// owesAssociate: offer, end, categories and disclosures, or that there is none.
func (x *explanation) owesAssociate() {
	if x.d.Offer == nil {
		x.owed("none")
		return
	}
	x.owed("offer")
	x.owed("end")
	if x.d.Offer.Ceiling > 0 {
		x.owed("ceiling")
	}
	if len(x.d.Offer.Categories) > 0 {
		x.owed("categories")
	}
	for i := range x.d.Disclosures {
		x.owed(fmt.Sprint("disclosure ", i))
	}
}

// owes: the verdict, the reason of every refusal, worth, chance and cost of the
// choice, and every goal and budget whose part of the worth shows.
func (x *explanation) owes() {
	d := x.d
	x.owed("verdict")
	for i := range d.Candidates {
		if c := &d.Candidates[i]; c.Reason != "" {
			x.owed("refusal of " + c.Offer)
			if c.Scored && !c.Fits {
				x.owed("worth of " + c.Offer)
			}
		}
	}
	if !d.Consent {
		x.owed("consent")
	}
	for i := range d.Degraded {
		x.owed(fmt.Sprint("degraded ", i))
	}
	for _, b := range d.Budgets {
		if b.Lambda > 0 {
			x.owed("scarce " + b.Budget)
		}
	}
	x.owesPassedOver()
	if d.Assigned == engine.None {
		return
	}
	c := x.candidate(d.Assigned)
	for _, key := range []string{"worth", "chance", "cost"} {
		x.owed(key)
	}
	x.owesLift(c)
	shows := 0.5001 * math.Pow10(-d.Exponent) // what is not rounded to nothing
	for _, g := range c.Goals {
		if !g.Skipped && math.Abs(g.Contribution) >= shows {
			x.owed("goal " + g.Goal)
		}
	}
	for _, b := range c.Charges {
		if b.Amount >= shows {
			x.owed("charge " + b.Budget)
		}
	}
}

// owesPassedOver: what the best offer would have brought, where none was made.
func (x *explanation) owesPassedOver() {
	if x.d.Outcome != engine.OutcomeNoOffer {
		return
	}
	if best := x.d.Draw.Best; best != engine.None {
		x.owed("passed over")
		x.owesLift(x.candidate(best))
		return
	}
	fits := x.fits()
	if costly := slices.DeleteFunc(x.fits(), func(c engine.Candidate) bool { return c.ExpectedCost <= 0 }); len(costly) > 0 {
		fits = costly
	}
	if len(fits) > 0 {
		closest := slices.MaxFunc(fits, func(a, b engine.Candidate) int { return cmp.Compare(a.Score, b.Score) })
		x.owed("closest")
		x.owesLift(&closest)
	}
}

func (x *explanation) owesLift(c *engine.Candidate) {
	for _, o := range c.Outcomes {
		if o.Outcome == "purchase" && o.Without >= 0 && o.Without <= 1 && o.With >= 0 && o.With <= 1 {
			x.owed("lift")
		}
	}
}

// owesEngineer: the path, and of every candidate its whole arithmetic.
func (x *explanation) owesEngineer() {
	for _, key := range []string{"path", "draw", "bundle"} {
		x.owed(key)
	}
	for i := range x.d.Candidates {
		c := &x.d.Candidates[i]
		x.owed("candidate " + c.Offer)
		for _, o := range c.Outcomes {
			x.owed(c.Offer + " outcome " + o.Outcome)
		}
		for _, g := range c.Goals {
			x.owed(c.Offer + " goal " + g.Goal)
		}
		for _, b := range c.Charges {
			x.owed(c.Offer + " budget " + b.Budget)
		}
		if c.LowerScore != 0 {
			x.owed(c.Offer + " cautious")
		}
		if c.LiabilityCost > 0 {
			x.owed(c.Offer + " cost")
		}
		if c.Scored && c.Offer != engine.None {
			x.owed(c.Offer + " cost")
			x.owed(c.Offer + " sum")
		}
	}
	for _, m := range x.d.Provenance.Models {
		x.owed("model " + m.File + " of " + m.Outcome)
	}
	for _, a := range x.d.Arms {
		x.owed("experiment " + a.Experiment)
	}
}
