package engine_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rebound-engine/rebound/engine"
)

// mutant is an explanation with one thing changed.
type mutant struct{ what, text string }

var (
	words  = regexp.MustCompile(`[A-Za-z][A-Za-z_-]*`)
	digits = regexp.MustCompile(`[0-9]`)
)

// mutants changes a text: a digit, a word, a line told twice, left out, or
// taken from another decision's explanation.
func mutants(text, other string, rng *rand.Rand) []mutant {
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	lines[len(lines)-1] += "\n"
	i := rng.IntN(len(lines))
	line := lines[i]
	with := func(replacement ...string) string {
		return strings.Join(slices.Concat(lines[:i], replacement, lines[i+1:]), "")
	}
	out := []mutant{
		{"left out: " + line, with()},
		{"said twice: " + line, with(line, line)},
	}
	if all := digits.FindAllStringIndex(line, -1); len(all) > 0 {
		at := all[rng.IntN(len(all))][0]
		changed := line[:at] + string('0'+(line[at]-'0'+3)%10) + line[at+1:]
		out = append(out, mutant{"digit: " + line + " -> " + changed, with(changed)})
	}
	if all := words.FindAllStringIndex(line, -1); len(all) > 0 {
		at := all[rng.IntN(len(all))]
		changed := line[:at[0]] + "zebra" + line[at[1]:]
		out = append(out, mutant{"word: " + line + " -> " + changed, with(changed)})
		without := line[:at[0]] + strings.TrimPrefix(line[at[1]:], " ")
		out = append(out, mutant{"word left out: " + line + " -> " + without, with(without)})
	}
	if foreign := strings.SplitAfter(other, "\n"); len(foreign) > 1 {
		if said := foreign[rng.IntN(len(foreign)-1)]; !slices.Contains(lines, said) {
			out = append(out, mutant{"another's: " + said, with(line, said)})
		}
	}
	return out
}

// The checker objects to every change of an explanation.
func TestCheckerObjects(t *testing.T) {
	kinds := map[string]int{}
	for _, name := range []string{"apparel", "chain", "electronics", "grocery"} {
		b := exampleBundle(t, name)
		others := map[engine.Voice]string{}
		other := ""
		explainMany(t, b, 200, func(i int, x *explained) {
			rng := rand.New(rand.NewPCG(11, uint64(i)))
			object := func(of, text, other string, check func(text string) []string) {
				for _, m := range mutants(text, other, rng) {
					kind, _, _ := strings.Cut(m.what, ":")
					kinds[of+", "+kind]++
					if len(check(m.text)) == 0 {
						t.Errorf("%s, decision %d, %s: no objection to %s", name, i, of, m.what)
					}
				}
			}
			for _, v := range []engine.Voice{engine.VoiceEngineer, engine.VoiceMerchandiser, engine.VoiceAssociate} {
				text := engine.Narrate(x.d, v)
				object(v.String(), text, others[v], func(text string) []string { return checkExplanation(x.d, v, text) })
				others[v] = text
			}
			if x.outcome != nil {
				p, _ := b.Policy(x.d.Scope)
				text := engine.NarrateRules(p, x.d, x.outcome)
				object("rules", text, other, func(text string) []string { return checkRules(p, x.d, x.outcome, text) })
				other = text
			}
		})
	}
	t.Log(kinds)
}

// What the other voices say, an associate may not: each line of the engineer's
// explanation is refused as an associate's.
func TestAssociateHearsNothingElse(t *testing.T) {
	explainMany(t, exampleBundle(t, "apparel"), 200, func(i int, x *explained) {
		text := engine.Narrate(x.d, engine.VoiceAssociate)
		for line := range strings.Lines(engine.Narrate(x.d, engine.VoiceEngineer)) {
			if len(checkExplanation(x.d, engine.VoiceAssociate, text+line)) == 0 {
				t.Errorf("decision %d: an associate may hear %s", i, line)
			}
		}
		for _, secret := range []string{"abuse_score", "ABUSE_RISK", "holdout", "lambda"} {
			if strings.Contains(text, secret) {
				t.Errorf("decision %d: an associate hears %s: %s", i, secret, fmt.Sprint(text))
			}
		}
	})
}
