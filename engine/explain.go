package engine

import (
	"fmt"
	"math"
	"strings"

	"github.com/rebound-engine/rebound/internal/currency"
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
		n.reasons()
	default:
		n.reasons()
		n.figures()
	}
	return n.b.String()
}

type narrator struct {
	d *Decision
	b strings.Builder
}

func (n *narrator) say(format string, args ...any) { fmt.Fprintf(&n.b, format+"\n", args...) }

func (n *narrator) money(minor int64) string { return currency.Text(minor, n.d.Currency) }

// amount writes policy arithmetic, rounded to minor units of the currency.
// What rounds to nothing has no sign.
func (n *narrator) amount(v float64) string {
	text := fmt.Sprintf("%.*f", n.d.Exponent, v)
	if strings.Trim(text, "-0.") == "" {
		text = strings.TrimPrefix(text, "-")
	}
	return text
}

func (n *narrator) major(v float64) string { return n.amount(v) + " " + n.d.Currency }

// nothing reports whether an amount is written as zero.
func (n *narrator) nothing(v float64) bool { return strings.Trim(n.amount(v), "0.") == "" }

// percent writes a share with one decimal. A chance that is neither sure nor
// impossible is never written as 0 or 100 %.
func percent(p float64) string {
	switch text := fmt.Sprintf("%.1f", 100*p); {
	case text == "0.0" && p > 0:
		return "less than 0.1 %"
	case text == "100.0" && p < 1:
		return "more than 99.9 %"
	case text == "-0.0":
		return "0.0 %"
	default:
		return text + " %"
	}
}

// oneLine keeps a text of the bundle or of an error on its line.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// sentence is oneLine without the full stop that follows anyway.
func sentence(s string) string { return strings.TrimSuffix(oneLine(s), ".") }

func scopeWords(scope string) string {
	if scope == "" {
		return "the company"
	}
	return "scope " + scope
}

// expiryLayout is how an associate reads the end of an offer.
const expiryLayout = "Mon 2 Jan 2006 15:04 MST"

// associate tells what to say at the counter, and nothing of the customer.
func (n *narrator) associate() {
	o := n.d.Offer
	if o == nil {
		n.say("There is no offer for this return today.")
		return
	}
	n.say("Offer %s: %s.", o.OfferID, termsWords(o))
	if o.Ceiling > 0 {
		n.say("It is worth up to %s.", n.money(o.Ceiling))
	}
	n.say("It is valid until %s.", o.Expires.Format(expiryLayout))
	if len(o.Categories) > 0 {
		n.say("It applies to %s.", strings.Join(o.Categories, ", "))
	}
	for _, x := range n.d.Disclosures {
		n.say("Tell the customer: %s", oneLine(x.Text))
	}
}

// termsWords names the offer by its terms, as far as its kind alone says what they mean.
func termsWords(o *Terms) string {
	for _, p := range o.Params {
		switch {
		case p.IsText:
		case p.Name == "percent" && rules.OfferKind(o.Kind) == rules.PercentOff:
			return fmt.Sprintf("%g %% off the next purchase", roundTo(100*p.Number, 1e6))
		case p.Name == "multiplier" && rules.OfferKind(o.Kind) == rules.PointsMultiplier:
			return fmt.Sprintf("%g times the loyalty points", p.Number)
		}
	}
	return kindWords(o.Kind)
}

// roundTo drops the noise of floating point from a figure.
func roundTo(v, scale float64) float64 { return math.Round(v*scale) / scale }

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
