package rulestest

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/rebound-engine/rebound/rules"
)

// comparison collects the differences between an expectation and an outcome.
type comparison struct {
	policy    *rules.Policy
	outcome   *Outcome
	tolerance float64
	failures  []Failure
}

func (c *comparison) fail(at rules.Position, detail []string, format string, args ...any) *Failure {
	c.failures = append(c.failures, Failure{At: at, Message: fmt.Sprintf(format, args...), Detail: detail})
	return &c.failures[len(c.failures)-1]
}

func (c *comparison) expectation(e rules.Expectation) {
	if e.Offer != nil && e.Offer.Text != c.outcome.Offer {
		c.fail(e.Offer.At, c.ranking(), "offer: expected %s, got %s", e.Offer.Text, c.outcome.Offer).Got = c.outcome.Offer
	}
	if e.Disclosures != nil && !slices.Equal(e.Disclosures.Texts, c.outcome.Disclosures) {
		c.fail(e.Disclosures.At, c.disclosureDetails(), "disclosures: expected %v, got %v", e.Disclosures.Texts, c.outcome.Disclosures).
			Got = "[" + strings.Join(c.outcome.Disclosures, ", ") + "]"
	}
	for _, x := range e.Rejected {
		c.rejected(x)
	}
	for _, x := range e.Scores {
		c.number(x, "score", func(o *CandidateOutcome) (float64, bool) {
			if o.Score == nil {
				return 0, false
			}
			return *o.Score, true
		})
	}
	for _, x := range e.Liability {
		c.number(x, "liability", func(o *CandidateOutcome) (float64, bool) { return o.Liability, o.Score != nil })
	}
	for _, x := range e.Goals {
		c.number(x, "goal "+x.Member, func(o *CandidateOutcome) (float64, bool) { v, ok := o.Goals[x.Member]; return v, ok })
	}
	for _, x := range e.Journal {
		c.journal(x)
	}
}

func (c *comparison) candidate(offer string) *CandidateOutcome {
	i := slices.IndexFunc(c.outcome.Candidates, func(o CandidateOutcome) bool { return o.Offer == offer })
	if i < 0 {
		return nil
	}
	return &c.outcome.Candidates[i]
}

func (c *comparison) rejected(x rules.ExpectedText) {
	o := c.candidate(x.Key)
	switch {
	case o == nil:
		c.fail(x.At, nil, "rejected: %s was no candidate", x.Key)
	case o.Rejected == "":
		c.fail(x.At, c.candidateDetails(o), "rejected: expected %s for %s, but it was admitted", x.Text, x.Key)
	case o.Rejected != x.Text:
		c.fail(x.At, c.candidateDetails(o), "rejected: expected %s for %s, got %s%s", x.Text, x.Key, o.Rejected, from(o.Source)).Got = o.Rejected
	}
}

func from(s rules.Source) string {
	if s.File == "" {
		return ""
	}
	return " from " + s.String()
}

func (c *comparison) number(x rules.ExpectedNumber, what string, get func(*CandidateOutcome) (float64, bool)) {
	o := c.candidate(x.Key)
	if o == nil {
		c.fail(x.At, nil, "%s: %s was no candidate", what, x.Key)
		return
	}
	got, ok := get(o)
	switch {
	case !ok:
		c.fail(x.At, c.candidateDetails(o), "%s: expected %.4g for %s, but it was rejected unscored: %s%s", what, x.Value, x.Key, o.Rejected, from(o.Source))
	case math.IsNaN(got) || math.Abs(got-x.Value) > c.tolerance:
		c.fail(x.At, c.candidateDetails(o), "%s: expected %.4f for %s, got %.4f", what, x.Value, x.Key, got).Got = strconv.FormatFloat(got, 'f', 3, 64)
	}
}

func (c *comparison) journal(x rules.ExpectedValue) {
	got, ok := c.outcome.Journal[x.Key]
	if !ok {
		known := slices.Sorted(maps.Keys(c.outcome.Journal))
		c.fail(x.At, nil, "journal: the entry has no field %s; it has %s", x.Key, strings.Join(known, ", "))
		return
	}
	want, isNumber := x.Value.(float64)
	if number, ok := got.(float64); ok && isNumber {
		if math.Abs(number-want) > c.tolerance {
			c.fail(x.At, nil, "journal: expected %s = %v, got %v", x.Key, want, number)
		}
		return
	}
	if !reflect.DeepEqual(got, x.Value) {
		c.fail(x.At, nil, "journal: expected %s = %v, got %v", x.Key, x.Value, got)
	}
}

// ranking lists every candidate with its score or reason.
func (c *comparison) ranking() []string {
	out := make([]string, 0, len(c.outcome.Candidates))
	for _, o := range c.outcome.Candidates {
		switch {
		case o.Rejected != "":
			out = append(out, fmt.Sprintf("%s: rejected, %s%s", o.Offer, o.Rejected, from(o.Source)))
		case o.Score != nil:
			out = append(out, fmt.Sprintf("%s: score %.4f", o.Offer, *o.Score))
		default:
			out = append(out, o.Offer+": not scored")
		}
	}
	return out
}

// candidateDetails gives the values of every part of the rules and goals of one
// candidate that had a value on its frame, and of the rule that rejected it.
func (c *comparison) candidateDetails(o *CandidateOutcome) []string {
	if o.Frame == nil {
		return nil
	}
	var out []string
	for _, np := range candidatePrograms(c.policy, o.Offer) {
		lines := details(np.Program, o.Frame)
		if len(lines) > 0 && (!strings.HasSuffix(lines[0], "does not exist") || np.Program.Source().Position == o.Source.Position) {
			out = append(out, np.Name+" ("+np.Program.Source().String()+")")
			out = append(out, lines...)
		}
	}
	return out
}

func (c *comparison) disclosureDetails() []string {
	if c.outcome.Frame == nil {
		return nil
	}
	var out []string
	for _, d := range c.policy.Disclosures {
		out = append(out, "disclosure "+d.ID+" ("+d.When.Source().String()+")")
		out = append(out, details(d.When, c.outcome.Frame)...)
	}
	return out
}

// candidatePrograms are the expressions that concern one offer.
func candidatePrograms(p *rules.Policy, offer string) []rules.NamedProgram {
	var out []rules.NamedProgram
	for _, np := range p.Programs() {
		isOffer, isDisclosure := strings.HasPrefix(np.Name, "offer "), strings.HasPrefix(np.Name, "disclosure ")
		if !isDisclosure && (!isOffer || strings.HasPrefix(np.Name, "offer "+offer+":")) {
			out = append(out, np)
		}
	}
	return out
}

// details writes the value of every part of an expression.
func details(p *rules.Program, f *rules.Frame) []string {
	var out []string
	for _, v := range p.Trace(f) {
		text := strings.Join(strings.Fields(v.Text), " ")
		out = append(out, fmt.Sprintf("  %s%s = %s", strings.Repeat("  ", v.Depth), text, v.Value))
	}
	return out
}
