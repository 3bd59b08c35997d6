package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/rules/rulestest"
)

// caseInput names the files of a what-if.
type caseInput struct{ request, customer, returned, scope string }

// requestJSON is a what-if as a user writes it. Variables have no prefix; money is in major units.
type requestJSON struct {
	Scope        string                         `json:"scope"`
	Phase        string                         `json:"phase"`
	Channel      string                         `json:"channel"`
	Jurisdiction string                         `json:"jurisdiction"`
	Consent      bool                           `json:"consent"`
	Now          time.Time                      `json:"now"`
	Customer     map[string]any                 `json:"customer"`
	Return       map[string]any                 `json:"return"`
	Store        map[string]any                 `json:"store"`
	Scores       map[string]rulestest.StubScore `json:"scores"`
	Basket       float64                        `json:"basket"`
	MarginRate   *float64                       `json:"margin_rate"`
	Budgets      map[string]float64             `json:"budgets"`
	Lambda       map[string]float64             `json:"lambda"`
}

// readCase reads a request of the user's own. What it leaves out is filled from
// the bundle: the store's facts, the default margin, and the assumed lifts as scores.
func (a *app) readCase(b *rules.Bundle, in *caseInput) (*rulestest.Case, error) {
	r := requestJSON{Phase: "REFUNDED", Channel: "STORE", Now: time.Now().UTC().Truncate(time.Second)}
	if in.request == "" {
		return nil, usageErrorf("give --case or --request; a request is a file like\n%s", requestExample)
	}
	if err := a.readJSON(in.request, &r); err != nil {
		return nil, err
	}
	if r.Basket <= 0 {
		return nil, usageErrorf("%s: give basket, the customer's expected next basket, above 0", in.request)
	}
	c := &rulestest.Case{
		Name: "request", Now: r.Now, Scope: r.Scope, Phase: r.Phase, Channel: r.Channel, Jurisdiction: r.Jurisdiction,
		Consent: r.Consent, Scores: r.Scores, Basket: r.Basket, Budgets: r.Budgets, Lambda: r.Lambda,
	}
	var err error
	if c.Customer, err = variables(in.request, "customer", r.Customer); err != nil {
		return nil, err
	}
	if c.Return, err = variables(in.request, "return", r.Return); err != nil {
		return nil, err
	}
	if c.Store, err = variables(in.request, "store", r.Store); err != nil {
		return nil, err
	}
	if r.MarginRate != nil {
		c.MarginRate = *r.MarginRate
	} else {
		c.MarginRate, _ = b.CategoryFact("default", "margin_rate")
	}
	if c.Scores == nil {
		c.Scores = map[string]rulestest.StubScore{}
	}
	return c, nil
}

const requestExample = `  {"scope": "us.ne.0412", "phase": "REFUNDED", "channel": "STORE", "jurisdiction": "US-NY", "consent": true,
   "customer": {"abuse_score": 0.1, "loyalty_member": true}, "return": {"refund_value": 80, "reason": "SIZE"},
   "basket": 75, "margin_rate": 0.45}`

// overrideCase applies the flags beside the request or case and adds the store's facts.
func (a *app) overrideCase(b *rules.Bundle, c *rulestest.Case, in *caseInput) error {
	if in.scope != "" {
		c.Scope, c.Store = in.scope, nil
	}
	for _, part := range []struct {
		file string
		into *map[string]any
	}{{in.customer, &c.Customer}, {in.returned, &c.Return}} {
		if part.file == "" {
			continue
		}
		var given map[string]any
		if err := a.readJSON(part.file, &given); err != nil {
			return err
		}
		values, err := variables(part.file, "", given)
		if err != nil {
			return err
		}
		*part.into = merged(*part.into, values)
	}
	c.Store = merged(storeFacts(b, c.Scope), c.Store)
	return nil
}

// merged is base with the values of over.
func merged(base, over map[string]any) map[string]any {
	out := make(map[string]any, len(base)+len(over))
	maps.Copy(out, base)
	maps.Copy(out, over)
	return out
}

// storeFacts are the reference facts of a scope.
func storeFacts(b *rules.Bundle, scope string) map[string]any {
	out := map[string]any{}
	for _, f := range b.StoreFacts(scope) {
		out[strings.TrimPrefix(b.Env().Variables()[f.Slot].Name, "store.")] = f.Value()
	}
	return out
}

// assume takes the policies' assumed lifts for outcomes without scores, and names those.
func assume(b *rules.Bundle, c *rulestest.Case) (outcomes []string) {
	company, _ := b.Policy("")
	for _, o := range company.Outcomes {
		if _, ok := c.Scores[o.Name]; ok || o.Model != rules.ModelPrior || o.File != "" {
			continue
		}
		s := rulestest.StubScore{Without: o.Without, With: map[string]float64{}}
		for offer, lift := range o.Prior {
			s.With[offer] = o.Without + lift.Mean
			if o.Unit == "probability" {
				s.With[offer] = min(max(s.With[offer], 0), 1)
			}
		}
		c.Scores[o.Name] = s
		outcomes = append(outcomes, o.Name)
	}
	return outcomes
}

// readJSON reads a file strictly.
func (a *app) readJSON(name string, into any) error {
	data, err := a.readFile(name)
	if err != nil {
		return usageErrorf("%w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return usageErrorf("%s: %w", name, err)
	}
	if dec.More() {
		return usageErrorf("%s: there is more after the first JSON value", name)
	}
	return nil
}

// variables checks that every value is a number, truth value, text or list of texts.
func variables(file, part string, given map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(given))
	for _, name := range slices.Sorted(maps.Keys(given)) {
		switch v := given[name].(type) {
		case float64, bool, string:
			out[name] = v
		case []any:
			list := make([]string, len(v))
			for i, item := range v {
				text, ok := item.(string)
				if !ok {
					return nil, usageErrorf("%s: %s holds %v, which is no text", file, variableName(part, name), item)
				}
				list[i] = text
			}
			out[name] = list
		default:
			return nil, usageErrorf("%s: %s is %v; give a number, true or false, a text or a list of texts", file, variableName(part, name), v)
		}
	}
	return out, nil
}

func variableName(part, name string) string {
	if part == "" {
		return name
	}
	return fmt.Sprintf("%s.%s", part, name)
}
