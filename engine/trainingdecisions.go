package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/store"
)

// DecisionOptions say which decisions of a log become training rows.
type DecisionOptions struct {
	// TrainingOptions bound time and outcome. An empty currency takes what the
	// decisions are in and refuses more than one; Location is not read.
	TrainingOptions
	// MinOffer is how many decisions must have shown an offer for it to be learned
	// about. Decisions that showed a rarer one are left out, and the chances of the
	// others are those given that it was not shown. 0 keeps all.
	MinOffer int
}

// DecisionRow is one decision as it was made, and what followed.
type DecisionRow struct {
	Customer  store.Subject
	At        time.Time // business time
	ID        string
	X         []float64 // in the order of DecisionSet.Features; NaN is missing
	Arm       int       // what was shown: 0 for no offer, k for Offers[k-1]
	Chance    []float64 // per arm, the chance with which it was shown; adds up to 1
	Purchased bool      // strictly after At and within the horizon
}

// LeftOut counts decisions nothing can be learned from.
type LeftOut struct {
	Reason string
	Count  int
}

// DecisionSet is what DecisionRows finds, in the order of the log.
type DecisionSet struct {
	Features []models.Feature // the logged variables by the names policies use, sorted
	Offers   []string         // in the order in which they are first considered
	Rows     []DecisionRow
	Currency string
	Until    time.Time
	LeftOut  []LeftOut // without zeros
}

// maxLevels bounds the levels of a category, the most frequent ones; others are missing.
const maxLevels = 200

// noFeatures are variables that only name the day, which no later decision shares,
// or repeat another: the store is the last part of the scope.
var noFeatures = []string{"now.day_of_month", "now.month", "now.year", "request.scope"}

// Why a decision is left out, in the order in which it is asked.
const (
	leftRepeat = iota
	leftRange
	leftCurrency
	leftAnonymous
	leftDenied
	leftCensored
	leftRare
	leftForced
)

var leftReasons = [...]string{
	leftRepeat:    "decided again on a return: the first decision counts, later ones share its draw",
	leftRange:     "", // asked for
	leftCurrency:  "in another currency",
	leftAnonymous: "of nobody known",
	leftDenied:    "without consent: nothing is learned of the person",
	leftCensored:  "the window of the outcome is not over",
	leftRare:      "showed an offer too rare to learn about",
	leftForced:    "only one choice was possible",
}

// DecisionRows builds training rows from the decisions and purchases of a log: the
// features the decision read, what was shown (held-out customers were shown
// nothing) with its logged chance, and whether the customer bought within the
// horizon, whatever the order in which decisions and purchases arrived. Of the
// decisions on one return the first counts: later ones are made only if nothing
// came of it, and with the same draw.
func DecisionRows(ctx context.Context, s store.Store, o DecisionOptions) (*DecisionSet, error) {
	if o.Horizon <= 0 {
		return nil, errors.New("training rows: the horizon is not positive")
	}
	c := &collector{o: o, until: o.Until, columns: map[string]*column{}, bought: map[store.Subject][]time.Time{}, decided: map[string]bool{}}
	if err := s.Scan(ctx, 1, c.entry); err != nil {
		return nil, fmt.Errorf("training rows: %w", err)
	}
	return c.set()
}

// collector gathers decisions column by column and purchases by customer.
type collector struct {
	o       DecisionOptions
	until   time.Time
	columns map[string]*column
	rows    []collected
	seen    int // rows of the columns
	offers  []string
	bought  map[store.Subject][]time.Time
	decided map[string]bool // returns by customer and key
	left    [len(leftReasons)]int
}

// collected is a decision without its features.
type collected struct {
	DecisionRow
	chances []offerChance
	shown   string
	money   string // currency
	at      int    // row of the columns
}

type offerChance struct {
	offer  string
	chance float64
}

// column is one variable over all collected decisions.
type column struct {
	isText  bool
	numbers []float64
	texts   []string
}

func (c *collector) entry(e *store.Entry) error {
	switch e.Kind {
	case KindEvent, KindIncentive:
		ev, err := decodeEvent(e)
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Position, err)
		}
		c.saw(ev.Time)
		if ev.Kind == profile.KindPurchase {
			c.bought[e.Subject] = append(c.bought[e.Subject], ev.Time)
		}
	case KindDecision:
		d, err := DecodeDecision(e)
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Position, err)
		}
		c.saw(d.Time)
		c.decision(d)
	}
	return nil
}

// saw moves the end of what is known.
func (c *collector) saw(at time.Time) {
	if c.o.Until.IsZero() && at.After(c.until) {
		c.until = at
	}
}

// decision keeps one that may be learned from.
func (c *collector) decision(d *Decision) {
	key := string(d.Subject[:]) + d.ReturnKey
	switch {
	case c.decided[key]:
		c.left[leftRepeat]++
	case !c.o.wanted(d.Time):
		c.left[leftRange]++
	case c.o.Currency != "" && d.Currency != c.o.Currency:
		c.left[leftCurrency]++
	case d.Customer == profile.Identity{}:
		c.left[leftAnonymous]++
	case !d.Consent:
		c.left[leftDenied]++
	default:
		c.keep(d)
	}
	c.decided[key] = true
}

func (c *collector) keep(d *Decision) {
	r := collected{DecisionRow: DecisionRow{Customer: d.Subject, At: d.Time, ID: d.ID}, shown: d.Delivered, money: d.Currency, at: c.seen}
	c.seen++
	for i := range d.Candidates {
		k := &d.Candidates[i]
		if k.Offer != None && !slices.Contains(c.offers, k.Offer) {
			c.offers = append(c.offers, k.Offer)
		}
		if k.PShown > 0 {
			r.chances = append(r.chances, offerChance{k.Offer, k.PShown})
		}
	}
	for i := range d.Variables {
		c.value(&d.Variables[i], r.at)
	}
	c.rows = append(c.rows, r)
}

// value files a variable under the row; lists are no features.
func (c *collector) value(v *Variable, at int) {
	if v.Type == StringsValue || slices.Contains(noFeatures, v.Name) {
		return
	}
	col := c.columns[v.Name]
	if col == nil {
		col = &column{isText: v.Type == StringValue}
		c.columns[v.Name] = col
	}
	col.pad(at)
	if col.isText {
		col.texts = append(col.texts, v.Text)
	} else {
		col.numbers = append(col.numbers, v.Number)
	}
}

// pad fills up to n values with missing ones.
func (c *column) pad(n int) {
	for c.isText && len(c.texts) < n {
		c.texts = append(c.texts, "")
	}
	for !c.isText && len(c.numbers) < n {
		c.numbers = append(c.numbers, math.NaN())
	}
}

// set joins outcomes, drops what teaches nothing and turns columns into rows.
func (c *collector) set() (*DecisionSet, error) {
	out := &DecisionSet{Until: c.until, Currency: c.o.Currency}
	c.censor()
	if err := c.oneCurrency(out); err != nil {
		return nil, err
	}
	c.arms(out)
	for _, at := range c.bought {
		slices.SortFunc(at, time.Time.Compare)
	}
	for i := range c.rows {
		c.rows[i].Purchased = c.buys(&c.rows[i])
	}
	c.features(out)
	for i := range c.rows {
		out.Rows = append(out.Rows, c.rows[i].DecisionRow)
	}
	for i, n := range c.left {
		if n > 0 && leftReasons[i] != "" {
			out.LeftOut = append(out.LeftOut, LeftOut{leftReasons[i], n})
		}
	}
	return out, nil
}

// drop leaves rows out and counts them.
func (c *collector) drop(reason int, teaches func(*collected) bool) {
	kept := c.rows[:0]
	for i := range c.rows {
		if teaches(&c.rows[i]) {
			kept = append(kept, c.rows[i])
		} else {
			c.left[reason]++
		}
	}
	c.rows = kept
}

func (c *collector) censor() {
	c.drop(leftCensored, func(r *collected) bool { return !r.At.Add(c.o.Horizon).After(c.until) })
}

func (c *collector) oneCurrency(out *DecisionSet) error {
	for i := range c.rows {
		money := c.rows[i].money
		if out.Currency == "" {
			out.Currency = money
		}
		if money != out.Currency {
			return fmt.Errorf("training rows: decisions are in %s and in %s: name the currency to learn from", out.Currency, money)
		}
	}
	return nil
}

// arms numbers what was shown, and fills in the chances of all arms.
func (c *collector) arms(out *DecisionSet) {
	shown := map[string]int{}
	for i := range c.rows {
		shown[c.rows[i].shown]++
	}
	for _, offer := range c.offers {
		if shown[offer] >= max(c.o.MinOffer, 1) {
			out.Offers = append(out.Offers, offer)
		}
	}
	arm := func(offer string) int { return slices.Index(out.Offers, offer) + 1 } // 0: none, or too rare
	c.drop(leftRare, func(r *collected) bool {
		r.Arm = arm(r.shown)
		return r.Arm > 0 || r.shown == None
	})
	c.drop(leftForced, func(r *collected) bool {
		r.Chance = make([]float64, len(out.Offers)+1)
		choices, total := 0, 0.0
		for _, p := range r.chances {
			if a := arm(p.offer); a > 0 || p.offer == None {
				r.Chance[a] = p.chance
				total += p.chance
				choices++
			}
		}
		for a := range r.Chance {
			r.Chance[a] /= total
		}
		return choices > 1
	})
}

// buys reports whether the customer bought after the decision and within the horizon.
func (c *collector) buys(r *collected) bool {
	at := c.bought[r.Customer]
	i, _ := slices.BinarySearchFunc(at, r.At, func(t, limit time.Time) int {
		if t.After(limit) {
			return 1
		}
		return -1
	})
	return i < len(at) && !at[i].After(r.At.Add(c.o.Horizon))
}

// features turns columns into vectors, sorted by name. A variable that no row
// has is none.
func (c *collector) features(out *DecisionSet) {
	for _, name := range slices.Sorted(maps.Keys(c.columns)) {
		f := models.Feature{Name: name}
		col := c.columns[name]
		col.pad(c.seen)
		if col.isText {
			f.Type, f.Levels = models.Category, c.levels(col)
		}
		values, known := make([]float64, len(c.rows)), false
		for i := range c.rows {
			values[i] = col.value(c.rows[i].at, f.Levels)
			known = known || !math.IsNaN(values[i])
		}
		if !known {
			continue
		}
		out.Features = append(out.Features, f)
		for i, v := range values {
			c.rows[i].X = append(c.rows[i].X, v)
		}
	}
}

func (c *column) value(at int, levels []string) float64 {
	if !c.isText {
		return c.numbers[at]
	}
	if i, ok := slices.BinarySearch(levels, c.texts[at]); ok {
		return float64(i)
	}
	return math.NaN()
}

// levels are the most frequent texts of a column among the rows, sorted.
func (c *collector) levels(col *column) []string {
	counts := map[string]int{}
	for i := range c.rows {
		if text := col.texts[c.rows[i].at]; text != "" {
			counts[text]++
		}
	}
	levels := slices.Collect(maps.Keys(counts))
	slices.SortFunc(levels, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b))
	})
	levels = levels[:min(len(levels), maxLevels)]
	slices.Sort(levels)
	return levels
}
