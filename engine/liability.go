package engine

import (
	"fmt"
	"math"

	"github.com/rebound-engine/rebound/internal/currency"
	"github.com/rebound-engine/rebound/rules"
)

// liable computes what a redemption is expected to cost, at most the ceiling
// that is enforced, and sets the variables that follow from it.
func (t *task) liable(c *Candidate, o *rules.Offer, offer int) verdict {
	liability, why := t.number(o.Liability)
	if why == nil && liability < 0 {
		why = &verdict{reason: ReasonEvaluation, detail: fmt.Sprintf("the liability is negative: %g", liability)}
	}
	if why != nil {
		return verdict{source: o.Liability.Source(), rule: o.ID}.because(why)
	}
	ceiling := float64(o.Ceiling) / t.plan.minorPerOne
	c.Liability = min(liability, ceiling)
	minor, err := currency.RoundUp(c.Liability, t.plan.Currency)
	if err != nil {
		return verdict{source: o.Liability.Source(), rule: o.ID, reason: ReasonEvaluation, detail: err.Error()}
	}
	c.LiabilityCost = minor
	c.RedeemChance = 1
	if t.plan.redeem >= 0 {
		c.RedeemChance = min(max(t.scoreOf(t.plan.redeem, offer).With, 0), 1)
	}
	c.ExpectedCost = c.RedeemChance * c.Liability
	t.setCost(c, ceiling)
	return verdict{}
}

func (t *task) setCost(c *Candidate, ceiling float64) {
	f, s := t.frame, &t.snap.slots
	f.SetNumber(s.liability, c.Liability)
	f.SetNumber(s.costLiability, c.Liability)
	f.SetNumber(s.maxLiability, ceiling)
	f.SetNumber(s.costExpected, c.ExpectedCost)
	f.Unset(s.marginIfRedeemed)
	f.Unset(s.percentOfBasket)
	basket, known := f.Number(s.basketWith)
	if rate, ok := f.Number(s.basketMargin); ok && known {
		f.SetNumber(s.marginIfRedeemed, basket*rate-c.Liability)
	}
	if known && basket > 0 {
		f.SetNumber(s.percentOfBasket, c.Liability/basket)
	}
}

// tolerance keeps a bound from refusing its own value over floating-point noise.
const tolerance = 1e-9

// bounded compares liability and ceiling with the bounds in minor units:
// liabilities are rounded up, bounds down.
func (t *task) bounded(c *Candidate, o *rules.Offer) verdict {
	b := &t.plan.Bounds
	if b.MaxLiability >= 0 && o.Ceiling > b.MaxLiability {
		return verdict{reason: ReasonMaxLiability, source: b.LiabilitySource, rule: "max_liability",
			detail: fmt.Sprintf("its ceiling of %s is above the bound of %s", t.money(o.Ceiling), t.money(b.MaxLiability))}
	}
	if b.MaxPercentOff < 0 || o.Kind != rules.PercentOff && o.Kind != rules.AmountOff {
		return verdict{}
	}
	basket, _ := t.frame.Number(t.snap.slots.basketWith)
	limit := b.MaxPercentOff * basket
	if c.Liability <= limit*(1+tolerance) { // a share of the same basket: rounding first would refuse the bound itself
		return verdict{}
	}
	return verdict{reason: ReasonMaxPercentOff, source: b.PercentSource, rule: "max_percent_off",
		detail: fmt.Sprintf("its liability of %s is above %g of the basket, %s", t.money(c.LiabilityCost), b.MaxPercentOff, t.money(int64(math.Floor(limit*t.plan.minorPerOne))))}
}

// money writes minor units for a sentence.
func (t *task) money(minor int64) string { return currency.Text(minor, t.plan.Currency) }
