package engine_test

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rebound-engine/rebound/engine"
)

// Parts of patterns: an amount of money, a chance, a plain and a general number.
const (
	money   = `(-?[0-9.]+ [A-Z]{3})`
	chance  = `((?:less than |more than )?-?[0-9.]+ %)`
	decimal = `(-?[0-9]+\.[0-9]+)`
	general = `(-?[0-9.]+(?:e[+-][0-9]+)?)`
)

func says(v engine.Voice, pattern string, check func(x *explanation, m []string)) form {
	return form{regexp.MustCompile("^" + pattern + "$"), v, check}
}

// associateForms is all an associate may hear: an offer's own terms.
var associateForms = []form{
	says(engine.VoiceAssociate, `There is no offer for this return today\.`, func(x *explanation, _ []string) {
		x.want(x.d.Offer == nil, "there is an offer")
		x.note("none")
	}),
	says(engine.VoiceAssociate, `Offer (\S+): (.*)\.`, func(x *explanation, m []string) {
		x.want(x.d.Offer != nil && m[1] == x.d.Delivered && m[1] == x.d.Offer.OfferID, "%s was not delivered", m[1])
		if x.d.Offer != nil {
			x.want(termsMean(x, x.d.Offer, m[2]), "%q are not its terms", m[2])
		}
		x.note("offer")
	}),
	says(engine.VoiceAssociate, `It is worth up to `+money+`\.`, func(x *explanation, m []string) {
		x.minor(m[1], x.offer().Ceiling)
		x.note("ceiling")
	}),
	says(engine.VoiceAssociate, `It is valid until (.*)\.`, func(x *explanation, m []string) {
		at, err := time.Parse("Mon 2 Jan 2006 15:04 MST", m[1])
		x.want(err == nil && at.Equal(x.offer().Expires.Truncate(time.Minute)), "it expires %s", x.offer().Expires)
		x.want(strings.HasPrefix(m[1], at.Weekday().String()[:3]), "wrong day of the week")
		x.note("end")
	}),
	says(engine.VoiceAssociate, `It applies to (.*)\.`, func(x *explanation, m []string) {
		x.want(slices.Equal(strings.Split(m[1], ", "), x.offer().Categories), "it applies to %q", x.offer().Categories)
		x.note("categories")
	}),
	says(engine.VoiceAssociate, `Tell the customer: (.*)`, func(x *explanation, m []string) {
		for i, t := range x.d.Disclosures {
			if strings.Join(strings.Fields(t.Text), " ") == m[1] {
				x.note(fmt.Sprint("disclosure ", i))
				return
			}
		}
		x.wrong("no such disclosure")
	}),
}

// offer is what was delivered, or an objection.
func (x *explanation) offer() *engine.Terms {
	if x.d.Offer == nil {
		x.wrong("there is no offer")
		return &engine.Terms{}
	}
	return x.d.Offer
}

// kinds are the words for an offer by kind alone.
var kinds = map[string]string{
	"percent_off": "percent off the next purchase", "amount_off": "amount off the next purchase", "bogo": "buy one, get one",
	"points_multiplier": "extra loyalty points", "free_shipping": "free shipping", "bonus_credit": "bonus credit for an exchange", "message": "a message",
}

// termsMean reports whether words name the offer's terms: its kind, or the parameter a kind is known by.
func termsMean(_ *explanation, o *engine.Terms, words string) bool {
	param := map[string]string{"percent_off": "percent", "points_multiplier": "multiplier"}[o.Kind]
	for _, p := range o.Params {
		if p.Name != param || p.IsText {
			continue
		}
		number, rest, _ := strings.Cut(words, " ")
		got, err := strconv.ParseFloat(number, 64)
		if o.Kind == "percent_off" {
			return err == nil && math.Abs(got-100*p.Number) < 6e-7 && rest == "% off the next purchase"
		}
		return err == nil && math.Abs(got-p.Number) < 6e-7 && rest == "times the loyalty points"
	}
	return words == kinds[o.Kind]
}

// plainForms is the language of merchandiser and engineer.
var plainForms = slices.Concat(verdictForms, choiceForms, reasonForms, figureForms)

var verdictForms = []form{
	verdict(`The customer gets (\S+) \((.*)\)\.`, engine.OutcomeOffer, func(x *explanation, m []string) {
		x.want(m[1] == x.d.Delivered && m[1] != engine.None, "%s is delivered", x.d.Delivered)
		x.want(m[2] == kinds[x.candidate(m[1]).Kind], "it is a %s", x.candidate(m[1]).Kind)
	}),
	verdict(`The customer is held out for measurement and sees no offer; (\S+) would have been shown\.`, engine.OutcomeHoldout, func(x *explanation, m []string) {
		x.want(m[1] == x.d.Assigned && x.d.Delivered == engine.None && x.d.HeldOut, "assigned %s, delivered %s", x.d.Assigned, x.d.Delivered)
	}),
	verdict(`No offer: no model could score one\.`, engine.OutcomeFallback, func(_ *explanation, _ []string) {}),
	verdict(`No offer: every one was refused\.`, engine.OutcomeNoOffer, func(x *explanation, _ []string) {
		for _, c := range x.d.Candidates[1:] {
			x.want(!c.Fits && c.Reason != "", "%s was not", c.Offer)
		}
	}),
	verdict(`No offer: none is worth more than leaving the customer alone\.`, engine.OutcomeNoOffer, func(x *explanation, _ []string) {
		x.want(x.d.Draw.Best == engine.None && len(x.fits()) > 0, "best is %s of %d", x.d.Draw.Best, len(x.fits()))
		for _, c := range x.fits() {
			x.want(c.Score <= 0, "%s is", c.Offer)
		}
	}),
	verdict(`No offer: leaving the customer alone was drawn to learn from it, though (\S+) was best\.`, engine.OutcomeNoOffer, func(x *explanation, m []string) {
		x.want(m[1] == x.d.Draw.Best && m[1] != engine.None && x.d.Draw.Explored, "best is %s", x.d.Draw.Best)
		x.best(m[1])
	}),
	says(engine.VoiceMerchandiser, `The best that costs anything, (\S+), is worth `+money+` after its expected cost of `+money+`\.`, func(x *explanation, m []string) {
		c := x.candidate(m[1])
		x.want(c.Fits && c.ExpectedCost > 0 && x.d.Draw.Best == engine.None, "it does not fit or costs nothing")
		for _, other := range x.fits() {
			x.want(other.ExpectedCost == 0 || other.Score <= c.Score, "%s is worth more", other.Offer)
		}
		x.amount(m[2], c.Score)
		x.amount(m[3], c.ExpectedCost)
		x.cur = c
		x.note("closest")
	}),
	says(engine.VoiceMerchandiser, `The best that fits, (\S+), costs nothing and is worth `+money+`\.`, func(x *explanation, m []string) {
		x.cur = x.candidate(m[1])
		x.want(x.cur.Fits && x.d.Draw.Best == engine.None, "it does not fit, or it was best")
		for _, other := range x.fits() {
			x.want(other.ExpectedCost == 0 && other.Score <= x.cur.Score, "%s costs something or is worth more", other.Offer)
		}
		x.amount(m[2], x.cur.Score)
		x.note("closest")
	}),
	says(engine.VoiceMerchandiser, `(\S+) is worth `+money+`\.`, func(x *explanation, m []string) {
		x.want(m[1] == x.d.Draw.Best && x.d.Assigned == engine.None, "it is not the best that was passed over")
		x.cur = x.candidate(m[1])
		x.amount(m[2], x.cur.Score)
		x.note("passed over")
	}),
}

// verdict is a first sentence: it says the outcome, once.
func verdict(pattern string, outcome engine.OutcomeValue, check func(x *explanation, m []string)) form {
	return says(engine.VoiceMerchandiser, pattern, func(x *explanation, m []string) {
		x.want(len(x.said) == 0, "the verdict comes first")
		x.want(x.d.Outcome == outcome, "the outcome is %s", x.d.Outcome)
		x.note("verdict")
		check(x, m)
	})
}

// fits are the offers of A'.
func (x *explanation) fits() (out []engine.Candidate) {
	for _, c := range x.d.Candidates {
		if c.Fits && c.Offer != engine.None {
			out = append(out, c)
		}
	}
	return out
}

// best checks that no candidate that fits is worth more.
func (x *explanation) best(id string) {
	c := x.candidate(id)
	for _, other := range x.fits() {
		x.want(other.Score <= c.Score, "%s is worth more than %s", other.Offer, id)
	}
	x.want(c.Score >= 0, "none is worth more than %s", id)
}

// chosen is the candidate the sentences after the verdict speak of.
func (x *explanation) chosen() *engine.Candidate {
	x.want(x.d.Assigned != engine.None, "nothing was assigned")
	x.cur = x.candidate(x.d.Assigned)
	return x.cur
}

var origins = map[string]func(o *engine.OutcomeScore) bool{
	"as the policy assumes":         func(o *engine.OutcomeScore) bool { return o.Assumed },
	"as the case states":            func(o *engine.OutcomeScore) bool { return !o.Assumed && o.Rung == engine.RungStated },
	"as the model predicts":         func(o *engine.OutcomeScore) bool { return !o.Assumed && o.Rung == engine.RungModel },
	"as the simpler model predicts": func(o *engine.OutcomeScore) bool { return !o.Assumed && o.Rung == engine.RungDistilled },
	"as the model predicts without knowing the customer": func(o *engine.OutcomeScore) bool {
		return !o.Assumed && o.Rung == engine.RungPrior
	},
}

var choiceForms = []form{
	says(engine.VoiceMerchandiser, `It is worth `+money+`, and none of the ([0-9]+) candidates that fit is worth more\.`, func(x *explanation, m []string) {
		x.amount(m[1], x.chosen().Score)
		x.want(m[2] == strconv.Itoa(1+len(x.fits())), "%d fit", 1+len(x.fits()))
		x.want(!x.d.Draw.Explored && x.d.Draw.Best == x.d.Assigned, "it was explored")
		x.best(x.d.Assigned)
		x.note("worth")
	}),
	says(engine.VoiceMerchandiser, `It is worth `+money+`; (\S+) was best\.`, func(x *explanation, m []string) {
		x.amount(m[1], x.chosen().Score)
		x.want(m[2] == x.d.Draw.Best && x.d.Draw.Explored, "best is %s", x.d.Draw.Best)
		x.best(m[2])
		x.note("worth")
	}),
	says(engine.VoiceMerchandiser, `It was drawn (to learn from it, )?with a chance of `+chance+`\.`, func(x *explanation, m []string) {
		x.share(m[2], x.chosen().PChoice)
		x.want((m[1] != "") == (x.d.Draw.Best != x.d.Assigned), "best is %s", x.d.Draw.Best)
		x.note("chance")
	}),
	says(engine.VoiceMerchandiser, `Another purchase has a chance of `+chance+` without it and `+chance+` with it, (.*)\.`, func(x *explanation, m []string) {
		x.want(x.cur != nil, "it speaks of no offer")
		for i := 0; x.cur != nil && i < len(x.cur.Outcomes); i++ {
			if o := &x.cur.Outcomes[i]; o.Outcome == "purchase" {
				x.share(m[1], o.Without)
				x.share(m[2], o.With)
				x.want(origins[m[3]] != nil && origins[m[3]](o), "its rung is %s, assumed: %t", o.Rung, o.Assumed)
				x.note("lift")
				return
			}
		}
		x.wrong("no purchase was predicted")
	}),
	says(engine.VoiceMerchandiser, `It (adds|takes) `+money+` (to|from) the goal (\S+)\.`, func(x *explanation, m []string) {
		i := slices.IndexFunc(x.chosen().Goals, func(g engine.GoalValue) bool { return g.Goal == m[4] })
		if i < 0 {
			x.wrong("there is no such goal")
			return
		}
		g, sign := x.cur.Goals[i], 1.0
		if m[1] == "takes" {
			sign = -1
		}
		x.want(!g.Skipped && (m[1] == "adds") == (m[3] == "to"), "it does not")
		x.amount(m[2], sign*g.Contribution)
		x.note("goal " + m[4])
	}),
	says(engine.VoiceMerchandiser, `The scarce budget (\S+) counts `+money+` against it\.`, func(x *explanation, m []string) {
		i := slices.IndexFunc(x.chosen().Charges, func(c engine.Charge) bool { return c.Budget == m[1] })
		if i < 0 {
			x.wrong("there is no such charge")
			return
		}
		x.want(x.cur.Charges[i].Lambda > 0, "it is not scarce")
		x.amount(m[2], x.cur.Charges[i].Amount)
		x.note("charge " + m[1])
	}),
	says(engine.VoiceMerchandiser, `It is expected to cost `+money+` and may cost `+money+` at most\.`, func(x *explanation, m []string) {
		x.amount(m[1], x.chosen().ExpectedCost)
		x.minor(m[2], x.cur.Ceiling)
		x.note("cost")
	}),
	says(engine.VoiceMerchandiser, `It costs nothing\.`, func(x *explanation, _ []string) {
		x.want(x.chosen().Ceiling == 0 && x.cur.ExpectedCost == 0, "it may cost %d", x.cur.Ceiling)
		x.note("cost")
	}),
}

var reasonForms = []form{
	says(engine.VoiceMerchandiser, `(\S+) was refused(?:, by (\S+) of (the company|scope \S+))? \(([A-Z0-9_]+)\)(?:: (.*))?\.`, func(x *explanation, m []string) {
		c := x.candidate(m[1])
		x.want(!c.Fits && string(c.Reason) == m[4], "its reason is %q", c.Reason)
		if m[2] != "" {
			scope := "the company"
			if c.Rule.Scope != "" {
				scope = "scope " + c.Rule.Scope
			}
			x.want(m[2] == c.Rule.ID && m[3] == scope, "it was %+v", c.Rule)
		} else {
			x.want(c.Rule.ID == "" || c.Rule.ID == c.Offer, "the rule %s is not named", c.Rule.ID)
		}
		x.detail(c, m[5])
		x.note("refusal of " + m[1])
	}),
	says(engine.VoiceMerchandiser, `(\S+) would be worth `+money+`\.`, func(x *explanation, m []string) {
		c := x.candidate(m[1])
		x.want(c.Scored && !c.Fits, "it fits, or was not scored")
		x.amount(m[2], c.Score)
		x.note("worth of " + m[1])
	}),
	says(engine.VoiceMerchandiser, `(\S+) took no part in the draw \(([A-Z0-9_]+)\): (.*)\.`, func(x *explanation, m []string) {
		c := x.candidate(m[1])
		x.want(c.Fits && c.PChoice == 0 && string(c.Reason) == m[2], "it did, or its reason is %q", c.Reason)
		x.detail(c, m[3])
		x.note("refusal of " + m[1])
	}),
	says(engine.VoiceMerchandiser, `Without consent no personal data was used\.`, func(x *explanation, _ []string) {
		x.want(!x.d.Consent && !x.d.Personal, "there is consent")
		x.note("consent")
	}),
	says(engine.VoiceMerchandiser, `The budget (\S+) is scarce: expected cost counts `+chance+` more\.`, func(x *explanation, m []string) {
		i := slices.IndexFunc(x.d.Budgets, func(b engine.BudgetUse) bool { return b.Budget == m[1] })
		if i < 0 {
			x.wrong("there is no such budget")
			return
		}
		x.share(m[2], x.d.Budgets[i].Lambda)
		x.want(x.d.Budgets[i].Lambda > 0, "it is not scarce")
		x.note("scarce " + m[1])
	}),
	says(engine.VoiceMerchandiser, `Not as usual: (.*)\.`, func(x *explanation, m []string) {
		for i, g := range x.d.Degraded {
			if m[1] == g.Subject+": "+plain(g.Cause) {
				x.note(fmt.Sprint("degraded ", i))
				return
			}
		}
		x.wrong("nothing was degraded so")
	}),
}

// plain is a text of the trace as it stands in a sentence.
func plain(s string) string { return strings.TrimSuffix(strings.Join(strings.Fields(s), " "), ".") }

// detail checks the sentence after a reason.
func (x *explanation) detail(c *engine.Candidate, text string) {
	want := plain(c.Detail)
	if want == "" && c.Reason == engine.ReasonNotEligible {
		want = "its own conditions do not hold"
	}
	x.want(text == want, "the trace says %q", want)
}
