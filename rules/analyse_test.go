package rules

import (
	"math/rand/v2"
	"testing"
)

// typedValues fills a frame with values of the variables' types, near the
// literals that random expressions use.
func typedValues(rng *rand.Rand, env *Env, f *Frame) {
	for i, v := range env.vars {
		s := Slot(i)
		switch v.Type {
		case Bool:
			f.SetBool(s, rng.IntN(2) == 0)
		case String:
			pool := v.Values
			if len(pool) == 0 {
				pool = []string{"SIZE", "S", "", "shoes", "é", "A"}
			}
			f.SetString(s, pool[rng.IntN(len(pool))])
		case Strings:
			list := make([]string, rng.IntN(3))
			for j := range list {
				list[j] = []string{"SIZE", "shoes", "A"}[rng.IntN(3)]
			}
			f.SetStrings(s, list)
		case Share:
			f.SetNumber(s, []float64{0, 0.1, 0.5, 1, rng.Float64()}[rng.IntN(5)])
		default:
			f.SetNumber(s, []float64{0, 1, -3, 2.5, 0.1, 100, 1000, -0.5, 99, rng.NormFloat64() * 10}[rng.IntN(10)])
		}
	}
}

// TestAnalysisIsSound checks every claim on random conditions against what they
// evaluate to: 100,000 evaluations, no false claim.
func TestAnalysisIsSound(t *testing.T) {
	env := testEnv()
	for i := range env.vars {
		if env.vars[i].Type == Money || env.vars[i].Unit != "" {
			env.vars[i].Type, env.vars[i].Unit = Number, ""
		}
	}
	lang := newLanguage(env)
	rng := rand.New(rand.NewPCG(11, 3))
	w := &exprWriter{rng: rng, env: env}
	f := env.NewFrame()
	never, always, implied, checks := 0, 0, 0, 0
	for checks < 100_000 {
		a, _ := lang.analyse(w.condition(1+rng.IntN(3)), anyRole(kindBool))
		b, _ := lang.analyse(w.condition(1+rng.IntN(2)), anyRole(kindBool))
		if a == nil || b == nil {
			continue
		}
		isNever, isAlways, implies := !satisfiable(a), !satisfiable(negation(a)), !satisfiable(a, negation(b)) || implies(a, b)
		if !isNever && !isAlways && !implies {
			continue
		}
		for _, claim := range []struct {
			made  bool
			count *int
		}{{isNever, &never}, {isAlways, &always}, {implies, &implied}} {
			if claim.made {
				*claim.count++
			}
		}
		p, q := newProgram("", Source{}, anyRole(kindBool), env, a), newProgram("", Source{}, anyRole(kindBool), env, b)
		for range 50 {
			checks++
			typedValues(rng, env, f)
			x, errX := p.Bool(f)
			y, errY := q.Bool(f)
			if errX != nil {
				continue
			}
			if isNever && x || isAlways && !x || implies && errY == nil && x && !y {
				t.Fatalf("never %t, always %t, implies %t, but %s is %t and %s is %t", isNever, isAlways, implies, treeKey(a), x, treeKey(b), y)
			}
		}
	}
	if never < 50 || always < 50 || implied < 50 {
		t.Errorf("only %d never, %d always, %d implied", never, always, implied)
	}
}

// TestAnalysisFinds lists contradictions that must be seen through.
func TestAnalysisFinds(t *testing.T) {
	env := testEnv()
	for text, want := range map[string]string{
		`customer.abuse > 1`:                                                        "never",
		`customer.abuse <= 1`:                                                       "always",
		`ret.value > 5 and ret.value < 5`:                                           "never",
		`ret.value > 5 and not (ret.value > 3)`:                                     "never",
		`ret.channel == "STORE" and ret.channel in ["MAIL", "BORIS"]`:               "never",
		`ret.channel in ["STORE", "MAIL", "BORIS"]`:                                 "always",
		`ret.channel not in ["STORE", "MAIL"] and ret.channel != "BORIS"`:           "never",
		`ret.channel == "STORE" and ret.channel startsWith "M"`:                     "never",
		`customer.member and not customer.member`:                                   "never",
		`customer.member or not customer.member`:                                    "always",
		`ret.value >= 5 or ret.value < 10`:                                          "always",
		`customer.abuse * 2 + 1 > 3`:                                                "never",
		`max(customer.abuse, 0.5) < 0.5`:                                            "never",
		`abs(ret.items) < 0`:                                                        "never",
		`len(customer.top) < 0`:                                                     "never",
		`1 > 2`:                                                                     "never",
		`ret.items in [1, 2] and ret.items > 2`:                                     "never",
		`(customer.member ? ret.items > 3 : ret.items > 4) and ret.items < 2`:       "never",
		`any(customer.top, # == "a") and not any(customer.top, # == "a")`:           "never",
		`customer.abuse < 0.9`:                                                      "",
		`ret.reason == "SIZE" or ret.reason == "DEFECT"`:                            "",
		`ret.value * store.rate > 100 and ret.value < 1`:                            "",
		`ret.channel != "STORE" and ret.reason startsWith "M" and ret.value != 100`: "",
	} {
		root, problems := newLanguage(env).analyse(text, anyRole(kindBool))
		if root == nil {
			t.Fatalf("%s: %+v", text, problems)
		}
		got := ""
		if !satisfiable(root) {
			got = "never"
		} else if !satisfiable(negation(root)) {
			got = "always"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
