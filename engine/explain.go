package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/rebound-engine/rebound/rules"
)

// Voice is whom an explanation is for.
type Voice uint8

// VoiceEngineer hears everything with its figures, VoiceMerchandiser what was
// weighed and why in the words of the trade, VoiceAssociate only what to tell
// the customer: nothing of the customer's past, scores or refusals.
const (
	VoiceEngineer Voice = iota + 1
	VoiceMerchandiser
	VoiceAssociate
)

var voiceNames = [...]string{"", "engineer", "merchandiser", "associate"}

// String is the voice's name, e.g. "merchandiser".
func (v Voice) String() string { return enumName(voiceNames[:], int(v)) }

// ParseVoice is the inverse of Voice.String.
func ParseVoice(s string) (Voice, bool) {
	i := enumIndex(voiceNames[:], s)
	return Voice(i), i > 0
}

// Narrate explains a decision in plain words, a sentence per line. Every
// sentence follows from the decision's trace; one with a full trace says most.
func Narrate(d *Decision, v Voice) string {
	n := &narrator{d: d}
	switch v {
	case VoiceAssociate:
		n.associate()
	case VoiceMerchandiser:
		n.verdict()
		n.choice()
		n.refusals()
		n.circumstances()
	default:
		n.verdict()
		n.choice()
		n.refusals()
		n.circumstances()
		n.figures()
	}
	return n.b.String()
}

type narrator struct {
	d *Decision
	b strings.Builder
}

func (n *narrator) say(format string, args ...any) { fmt.Fprintf(&n.b, format+"\n", args...) }

func (n *narrator) money(minor int64) string { return moneyText(minor, n.d.Currency) }

// major writes policy arithmetic, rounded to cents of the currency.
func (n *narrator) major(v float64) string {
	return fmt.Sprintf("%.*f %s", n.d.Exponent, v, n.d.Currency)
}

func percent(p float64) string { return fmt.Sprintf("%.1f %%", 100*p) }

// associate tells what to say at the counter, and nothing of the customer.
func (n *narrator) associate() {
	if n.d.Offer == nil {
		n.say("There is no offer for this return today.")
		return
	}
	n.say("Offer %s (%s): worth up to %s, valid until %s.", n.d.Offer.OfferID, kindWords(n.d.Offer.Kind),
		n.money(n.d.Offer.Ceiling), n.d.Offer.Expires.Format(time.RFC1123))
	if len(n.d.Offer.Categories) > 0 {
		n.say("It applies to %s.", strings.Join(n.d.Offer.Categories, ", "))
	}
	for _, x := range n.d.Disclosures {
		n.say("Tell the customer: %s", x.Text)
	}
}

func kindWords(kind string) string {
	switch rules.OfferKind(kind) {
	case rules.PercentOff:
		return "percent off the next purchase"
	case rules.AmountOff:
		return "amount off the next purchase"
	case rules.BOGO:
		return "buy one, get one"
	case rules.PointsMultiplier:
		return "extra loyalty points"
	case rules.FreeShipping:
		return "free shipping"
	case rules.BonusCredit:
		return "bonus credit for an exchange"
	}
	return "a message"
}

// verdict says what the decision came to.
func (n *narrator) verdict() {
	d := n.d
	switch {
	case d.Outcome == OutcomeOffer:
		n.say("The customer gets %s (%s).", d.Delivered, kindWords(d.Offer.Kind))
	case d.Outcome == OutcomeHoldout:
		n.say("The customer is held out for measurement and sees no offer; %s would have been shown.", d.Assigned)
	case d.Outcome == OutcomeFallback:
		n.say("No offer: no model could score one in time.")
	case n.allRefused():
		n.say("No offer: every one was refused.")
	case d.Draw.Best == None:
		n.say("No offer: this customer needs no incentive.")
		n.needsNone()
	default:
		n.say("No offer: leaving the customer alone was drawn to learn from it, though %s was best.", d.Draw.Best)
	}
}

func (n *narrator) allRefused() bool {
	for i := range n.d.Candidates {
		if c := &n.d.Candidates[i]; c.Offer != None && c.Fits {
			return false
		}
	}
	return true
}

// needsNone says what the best offer would have brought.
func (n *narrator) needsNone() {
	var best *Candidate
	for i := range n.d.Candidates {
		if c := &n.d.Candidates[i]; c.Offer != None && c.Scored && c.ExpectedCost > 0 && (best == nil || c.Score > best.Score) {
			best = c
		}
	}
	if best == nil {
		return
	}
	n.say("The best that costs anything, %s, is worth %s after its expected cost of %s.", best.Offer, n.major(best.Score), n.major(best.ExpectedCost))
	n.lift(best)
}

// lift says what the offer does to the chance of another purchase.
func (n *narrator) lift(c *Candidate) {
	for _, o := range c.Outcomes {
		if o.Outcome != "purchase" {
			continue
		}
		source := "as the model predicts"
		if o.Assumed {
			source = "as the policy assumes"
		}
		n.say("Another purchase has a chance of %s without it and %s with it, %s.", percent(o.Without), percent(o.With), source)
	}
}

// choice says why the assigned offer was drawn, and what it may cost.
func (n *narrator) choice() {
	c := n.d.Candidate(n.d.Assigned)
	if c == nil || c.Offer == None {
		return
	}
	if n.d.Draw.Explored {
		n.say("It was drawn to learn from it, with a chance of %s; %s was best.", percent(c.PChoice), n.d.Draw.Best)
	} else {
		n.say("It is worth %s, the most of the %s that fit, and was drawn with a chance of %s.", n.major(c.Score), n.fitting(), percent(c.PChoice))
	}
	n.lift(c)
	for _, g := range c.Goals {
		if !g.Skipped && g.Contribution != 0 {
			n.say("It adds %s to the goal %s.", n.major(g.Contribution), g.Goal)
		}
	}
	n.say("It is expected to cost %s and may cost %s at most.", n.major(c.ExpectedCost), n.money(c.Ceiling))
}

func (n *narrator) fitting() string {
	k := 0
	for i := range n.d.Candidates {
		if n.d.Candidates[i].Fits {
			k++
		}
	}
	return fmt.Sprintf("%d candidates", k)
}

// refusals gives the reason of every refused candidate.
func (n *narrator) refusals() {
	for i := range n.d.Candidates {
		c := &n.d.Candidates[i]
		if c.Reason == "" || c.Reason == ReasonExploreLimit {
			continue
		}
		where := ""
		if c.Rule.ID != "" && c.Rule.ID != c.Offer {
			where = fmt.Sprintf(", by %s of %s", c.Rule.ID, scopeWords(c.Rule.Scope))
		}
		detail := ""
		if c.Detail != "" {
			detail = ": " + c.Detail
		}
		n.say("%s was refused%s (%s)%s.", c.Offer, where, c.Reason, strings.TrimSuffix(detail, "."))
	}
}

func scopeWords(scope string) string {
	if scope == "" {
		return "the company"
	}
	return "scope " + scope
}

// circumstances says what was not as usual.
func (n *narrator) circumstances() {
	if !n.d.Consent {
		n.say("Without consent nothing personal was used.")
	}
	for _, b := range n.d.Budgets {
		if b.Lambda > 0 {
			n.say("The budget %s is scarce: every %s of expected cost has to earn %s more.", b.Budget, n.major(1), n.major(b.Lambda))
		}
	}
	for _, g := range n.d.Degraded {
		n.say("Not as usual: %s: %s.", g.Subject, strings.TrimSuffix(g.Cause, "."))
	}
}

// figures lists the arithmetic for engineers.
func (n *narrator) figures() {
	d := n.d
	for i := range d.Candidates {
		c := &d.Candidates[i]
		n.say("%s: stage %s, score %.6f, p_choice %.9f, p_shown %.9f", c.Offer, c.Stage, c.Score, c.PChoice, c.PShown)
		for _, o := range c.Outcomes {
			n.say("  outcome %s: without %.6f, with %.6f, uplift in [%.6f, %.6f], %s", o.Outcome, o.Without, o.With, o.Lower, o.Upper, o.Rung)
		}
		for _, g := range c.Goals {
			n.say("  goal %s: %.6f %s x %g x %g = %.6f", g.Goal, g.Amount, g.Unit, g.Value, g.Weight, g.Contribution)
		}
		for _, x := range c.Charges {
			n.say("  budget %s: lambda %.6f x cost %.6f = %.6f", x.Budget, x.Lambda, c.ExpectedCost, x.Amount)
		}
	}
	n.say("draw: %s, u %d (bucket %d of 2^32), best %s, assigned %s, holdout share %g", d.Draw.Strategy, d.Draw.U, d.Draw.Bucket, d.Draw.Best, d.Assigned, d.Draw.Holdout)
	n.say("bundle %s version %d, digest %s, policy of scope %q; profile at position %d", d.Provenance.BundleName, d.Provenance.BundleVersion, d.Provenance.BundleDigest, d.Provenance.Scope, d.Provenance.ProfileVersion)
	for _, m := range d.Provenance.Models {
		n.say("model of %s: %s %s (assumed: %t)", m.Outcome, m.File, m.Digest, m.Assumed)
	}
}
