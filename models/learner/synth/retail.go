package synth

import (
	"fmt"
	"math"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/learner"
)

// customer is one synthetic customer at a return.
type customer struct {
	loyalty, recency, tenure, returnRate, basket, discount, engagement, returnedShare, orders float64
	category, reason                                                                          int
}

const (
	categories = 8
	reasons    = 5
	retailArms = 5
)

// Retail makes n customers of a retailer with four incentives (percent off,
// amount off, points, free exchange) and none, drawn by a known logging rule.
func Retail(n int, seed uint64) *Campaign {
	d := &learner.Dataset{Outcome: "purchase", Unit: "probability", Offers: []string{"percent", "amount", "points", "exchange"}, Y: make([]float64, n), Arm: make([]int, n)}
	d.Features = retailFeatures()
	d.X = columns(len(d.Features), n)
	c := &Campaign{Data: d, Effect: columns(retailArms-1, n), Chance: columns(retailArms, n), Mean: columns(retailArms, n),
		Value: columns(retailArms, n), Cost: columns(retailArms, n), CostIfBought: columns(retailArms, n),
		CostAlways: []float64{0, .05, .05, .05, .5}, Margin: make([]float64, n)}
	for i := range n {
		cu := newCustomer(seed, i)
		for j, v := range cu.features() {
			d.X[j][i] = v
		}
		c.fillTruth(i, &cu)
		c.draw(seed, i)
	}
	return c
}

func retailFeatures() []models.Feature {
	var fs []models.Feature
	for _, name := range []string{"loyalty", "recency", "tenure", "return_rate", "basket", "discount_affinity", "engagement", "returned_share", "orders"} {
		fs = append(fs, models.Feature{Name: name})
	}
	for k := range categories {
		fs = append(fs, models.Feature{Name: fmt.Sprintf("category_%d", k)})
	}
	for k := range reasons {
		fs = append(fs, models.Feature{Name: fmt.Sprintf("reason_%d", k)})
	}
	return fs
}

func indicator(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func steps(u float64, at ...float64) int {
	k := 0
	for _, a := range at {
		if u >= a {
			k++
		}
	}
	return k
}

func newCustomer(seed uint64, i int) customer {
	u := func(j int) float64 { return Uniform(seed, i, j) }
	c := customer{
		loyalty:       float64(steps(u(0), .4, .7, .9)),
		recency:       min(365, math.Floor(-60*math.Log1p(-u(1)))),
		tenure:        1 + math.Floor(60*u(2)),
		returnRate:    .05 + .6*(u(3)*u(3)),
		basket:        min(max(60*math.Exp(.6*Normal(seed, i, 4)), 8), 500),
		discount:      u(6),
		category:      int(8 * u(7)),
		reason:        steps(u(8), .4, .65, .8, .9),
		engagement:    u(9),
		returnedShare: .2 + .8*u(10),
	}
	c.orders = min(40, math.Floor(1-3*math.Log1p(-u(11))*(1+c.loyalty/2)))
	return c
}

func (c *customer) features() []float64 {
	x := []float64{c.loyalty, c.recency, c.tenure, c.returnRate, c.basket, c.discount, c.engagement, c.returnedShare, c.orders}
	for k := range categories {
		x = append(x, indicator(c.category == k))
	}
	for k := range reasons {
		x = append(x, indicator(c.reason == k))
	}
	return x
}

// logits are the raw chance without an offer and what each arm adds to it.
func (c *customer) logits() (base float64, add [retailArms]float64) {
	k := c.reason
	base = -1.6 + .45*c.loyalty - .012*min(c.recency, 180) + .04*min(c.orders, 15) - 1.2*c.returnRate -
		.8*indicator(k == 2) - .5*indicator(k == 3) + .3*indicator(c.category < 2) + .4*c.engagement*indicator(c.recency < 30)
	add = [retailArms]float64{
		0,
		-.25 + 1.3*c.discount - .5*indicator(c.loyalty == 3 && c.discount < .3),
		.2 + .9*math.Exp(-c.basket/40) + .5*indicator(k == 1) - .8*indicator(c.returnRate > .45),
		-.1 + .9*indicator(k == 3) + .6*indicator(k == 0 && c.category < 3) + .3*c.engagement,
		.1 + 1.1*indicator(k == 0)*c.returnRate/.65 - .7*indicator(k == 2) - .4*indicator(c.recency > 120),
	}
	sleepingDog := c.engagement < .15 && c.recency > 90
	lostCause := k == 2 && c.returnRate < .12 && c.loyalty == 0
	sureThing := c.loyalty == 3 && c.recency < 21
	base += -2*indicator(lostCause) + 1.2*indicator(sureThing)
	for a := 1; a < retailArms; a++ {
		add[a] -= .6 * indicator(sleepingDog)
		if lostCause {
			add[a] *= .2
		}
		if sureThing {
			add[a] *= .3
		}
	}
	return base, add
}

func (c *Campaign) fillTruth(i int, cu *customer) {
	base, add := cu.logits()
	c.Margin[i] = .4 * cu.basket
	ifBought := [retailArms]float64{0, .1 * cu.basket, 10, 6, 4}
	weights := [retailArms]float64{1, math.Exp(.8 * (cu.discount - .5)), math.Exp(.3 * (cu.loyalty - 1)), 1, math.Exp(.5 * indicator(cu.reason == 0))}
	total := 0.0
	for _, w := range weights {
		total += w
	}
	for a := range retailArms {
		p := 1 / (1 + math.Exp(-(base + add[a])))
		c.Mean[a][i], c.CostIfBought[a][i] = p, ifBought[a]
		c.Value[a][i] = p*(c.Margin[i]-ifBought[a]) - c.CostAlways[a]
		c.Cost[a][i] = p*ifBought[a] + c.CostAlways[a]
		c.Chance[a][i] = weights[a] / total
		if a > 0 {
			c.Effect[a-1][i] = p - c.Mean[0][i]
		}
	}
}

func (c *Campaign) draw(seed uint64, i int) {
	u, cum := Uniform(seed, i, 21), 0.0
	for a := range retailArms - 1 {
		if cum += c.Chance[a][i]; u >= cum {
			c.Data.Arm[i]++
		}
	}
	c.Data.Y[i] = indicator(Uniform(seed, i, 20) < c.Mean[c.Data.Arm[i]][i])
}
