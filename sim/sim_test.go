package sim_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/sim"
)

const day = 24 * time.Hour

func run(t testing.TB, c sim.Config) []*profile.Event {
	t.Helper()
	r, err := sim.New(c)
	if err != nil {
		t.Fatal(err)
	}
	var events []*profile.Event
	for e, ok := r.Next(); ok; e, ok = r.Next() {
		events = append(events, e)
	}
	return events
}

func Example() {
	config := sim.DefaultConfig()
	config.Customers, config.Days = 100, 120
	shop, err := sim.New(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	offer := sim.Offer{DecisionID: "d-1", OfferID: "pct-10", Kind: "percent_off", Value: 0.10, Validity: 48 * time.Hour}
	for e, ok := shop.Next(); ok; e, ok = shop.Next() {
		if e.Kind != profile.KindReturn {
			continue
		}
		effect, err := shop.Truth(e.Customer, offer, e.Time, 30*day)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("uplift between -1 and 1:", math.Abs(effect.Uplift()) < 1, "answer:", shop.Respond(e.Customer, offer, e.Time))
		break
	}
	// Output: uplift between -1 and 1: true answer: <nil>
}

func TestEventsAreValidAndInOrder(t *testing.T) {
	c := sim.DefaultConfig()
	c.Customers, c.Days, c.Swindlers = 400, 200, 0.1
	end := c.Start.Add(time.Duration(c.Days+1) * day)
	ids, kinds, last := map[string]bool{}, map[profile.Kind]int{}, time.Time{}
	for _, e := range run(t, c) {
		if err := profile.Validate(e, end, 0); err != nil {
			t.Fatalf("%s: %v", e.ID, err)
		}
		if e.Time.Before(last) || e.Time.Before(c.Start) {
			t.Fatalf("%s at %v after %v", e.ID, e.Time, last)
		}
		if ids[e.ID] {
			t.Fatalf("%s twice", e.ID)
		}
		ids[e.ID], last = true, e.Time
		kinds[e.Kind]++
		if hour := e.Time.Hour(); hour < 6 && e.Kind == profile.KindPurchase {
			t.Fatalf("%s at %v", e.ID, e.Time)
		}
	}
	for _, k := range []profile.Kind{profile.KindPurchase, profile.KindReturn, profile.KindLoyaltyChange, profile.KindAttributes} {
		if kinds[k] < 50 {
			t.Errorf("%d events of kind %s", kinds[k], k)
		}
	}
}

func TestSameSeedSameEvents(t *testing.T) {
	c := sim.DefaultConfig()
	c.Customers, c.Days = 100, 100
	encode := func(c sim.Config) (b []byte) {
		for _, e := range run(t, c) {
			b = profile.AppendEvent(b, e)
		}
		return b
	}
	first := encode(c)
	if !slices.Equal(first, encode(c)) {
		t.Error("two runs differ")
	}
	c.Seed++
	if slices.Equal(first, encode(c)) {
		t.Error("two seeds agree")
	}
}

func TestConfigErrors(t *testing.T) {
	for name, change := range map[string]func(*sim.Config){
		"customers": func(c *sim.Config) { c.Customers = 0 }, "days": func(c *sim.Config) { c.Days = -1 },
		"stores": func(c *sim.Config) { c.Stores = 0 }, "swindlers": func(c *sim.Config) { c.Swindlers = math.NaN() },
		"currency": func(c *sim.Config) { c.Currency = "XXX" }, "start": func(c *sim.Config) { c.Start = time.Time{} },
	} {
		c := sim.DefaultConfig()
		change(&c)
		if _, err := sim.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRespondRefuses(t *testing.T) {
	c := sim.DefaultConfig()
	c.Customers, c.Days = 50, 60
	r, err := sim.New(c)
	if err != nil {
		t.Fatal(err)
	}
	e, _ := r.Next()
	for _, id := range []profile.Identity{{Namespace: "loyalty", Value: e.Customer.Value}, {Namespace: "customer", Value: "c0000050"}, {Namespace: "customer", Value: "c1"}, {}} {
		if err := r.Respond(id, sim.Offer{}, e.Time); !errors.Is(err, sim.ErrUnknownCustomer) {
			t.Errorf("%v: %v", id, err)
		}
	}
	if err := r.Respond(e.Customer, sim.Offer{}, e.Time.Add(-time.Hour)); err == nil {
		t.Error("an offer before the last event is taken")
	}
}

// Customers get an offer at their first return after day 60, every other one by a coin; what
// they do in 30 days must agree with Truth on average, and in the tails of its predictions.
func TestTruthIsWhatHappens(t *testing.T) {
	c := sim.DefaultConfig()
	c.Customers, c.Days, c.Swindlers = 12000, 150, 0.02
	offer := sim.Offer{OfferID: "pct-20", Kind: "percent_off", Value: 0.2, Validity: 48 * time.Hour}
	type trial struct {
		at      time.Time
		treated bool
		effect  sim.Effect
		bought  bool
		redeems bool
	}
	r, err := sim.New(c)
	if err != nil {
		t.Fatal(err)
	}
	trials := map[profile.Identity]*trial{}
	for e, ok := r.Next(); ok; e, ok = r.Next() {
		x := trials[e.Customer]
		switch {
		case x == nil && e.Kind == profile.KindReturn && e.Time.Sub(c.Start) > 60*day && e.Time.Sub(c.Start) < 115*day:
			offer.DecisionID = "d-" + e.ID
			x = &trial{at: e.Time, treated: profile.HashID(e.ID)%2 == 0}
			if x.effect, err = r.Truth(e.Customer, offer, e.Time, 30*day); err != nil {
				t.Fatal(err)
			}
			if x.treated {
				if err := r.Respond(e.Customer, offer, e.Time); err != nil {
					t.Fatal(err)
				}
			}
			trials[e.Customer] = x
		case x != nil && e.Kind == profile.KindPurchase && e.Time.Sub(x.at) <= 30*day:
			x.bought = true
		case x != nil && e.Kind == profile.KindRedemption:
			x.redeems = true
		}
	}
	groups := map[string]*[4]float64{} // n, predicted, seen, variance
	count := func(group string, p float64, happened bool) {
		g := groups[group]
		if g == nil {
			g = &[4]float64{}
			groups[group] = g
		}
		g[0]++
		g[1] += p
		g[3] += p * (1 - p)
		if happened {
			g[2]++
		}
	}
	classes := map[sim.Class]int{}
	for _, x := range trials {
		p, name := x.effect.Without, "without"
		if x.treated {
			p, name = x.effect.With, "with"
			count("redeem", x.effect.Redeem, x.redeems)
		}
		count(name, p, x.bought)
		count(name+" "+x.effect.Class().String(), p, x.bought)
		count(fmt.Sprintf("%s, predicted %.1f", name, math.Floor(p*5)/5), p, x.bought)
		classes[x.effect.Class()]++
	}
	for name, g := range groups {
		if z := (g[2] - g[1]) / math.Sqrt(g[3]); math.Abs(z) > 4 && name != "redeem" || math.Abs(z) > 6 {
			t.Errorf("%s: %.0f customers, %.1f predicted, %.0f seen, z = %.1f", name, g[0], g[1], g[2], z)
		}
	}
	t.Logf("%d customers: %v", len(trials), classes)
	for class := sim.Persuadable; class <= sim.SleepingDog; class++ {
		if classes[class] < len(trials)/100 {
			t.Errorf("%d of %d customers are a %s", classes[class], len(trials), class)
		}
	}
}

// What decides the effect must show in the profile, or nothing could be learned.
func TestEffectsShowInTheProfile(t *testing.T) {
	c := sim.DefaultConfig()
	c.Customers, c.Days = 2000, 300
	r, err := sim.New(c)
	if err != nil {
		t.Fatal(err)
	}
	var folder profile.Folder
	var seen profile.Seen
	records := map[profile.Identity]profile.Records{}
	offer := sim.Offer{OfferID: "pct-20", Kind: "percent_off", Value: 0.2, Validity: 48 * time.Hour}
	var uplift, without, discount, purchases, returns []float64
	feature := func(name string) float64 {
		f, ok := profile.Lookup(name)
		if !ok {
			t.Fatalf("no feature %s", name)
		}
		return seen.Number(&f)
	}
	for e, ok := r.Next(); ok; e, ok = r.Next() {
		before := records[e.Customer]
		if e.Kind == profile.KindReturn && e.Time.Sub(c.Start) > 180*day && e.Time.Sub(c.Start) < 270*day {
			ret := &profile.Return{ID: e.ReturnID, OrderID: e.OrderID, Lines: e.Lines, Refund: e.Refund}
			if err := seen.Read(before, nil, ret, e.Time, "USD"); err != nil {
				t.Fatal(err)
			}
			effect, err := r.Truth(e.Customer, offer, e.Time, 30*day)
			if err != nil {
				t.Fatal(err)
			}
			uplift, without = append(uplift, effect.Uplift()), append(without, effect.Without)
			discount, purchases = append(discount, feature("customer.discount_share_lifetime")), append(purchases, feature("customer.purchases_90d"))
			back := (feature("customer.returns_lifetime") - 1) / (feature("customer.purchases_lifetime") + 3)
			returns = append(returns, back*(1-feature("customer.loyalty_member")))
			if feature("ret.matched_share") != 1 {
				t.Fatalf("return %s does not match its purchase", e.ID)
			}
		}
		after, _, err := folder.Event(before.History, e)
		if err != nil {
			t.Fatal(err)
		}
		records[e.Customer] = after
	}
	for _, c := range []struct {
		name        string
		x, y        []float64
		least, most float64
	}{
		{"discount share and uplift", discount, uplift, 0.4, 1},
		{"purchases and chance without an offer", purchases, without, 0.5, 1},
		{"return rate of non-members and uplift", returns, uplift, -1, -0.1},
	} {
		got := correlation(c.x, c.y)
		t.Logf("%s: correlation %.2f over %d returns", c.name, got, len(c.x))
		if got < c.least || got > c.most {
			t.Errorf("%s: correlation %.2f over %d returns", c.name, got, len(c.x))
		}
	}
}

func correlation(x, y []float64) float64 {
	n, sx, sy, sxx, syy, sxy := float64(len(x)), 0.0, 0.0, 0.0, 0.0, 0.0
	for i := range x {
		sx, sy = sx+x[i], sy+y[i]
		sxx, syy, sxy = sxx+x[i]*x[i], syy+y[i]*y[i], sxy+x[i]*y[i]
	}
	return (n*sxy - sx*sy) / math.Sqrt((n*sxx-sx*sx)*(n*syy-sy*sy))
}

func TestSwindlersBehave(t *testing.T) {
	c := sim.DefaultConfig()
	c.Customers, c.Days, c.Swindlers = 1500, 300, 0.1
	r, err := sim.New(c)
	if err != nil {
		t.Fatal(err)
	}
	bought, back := map[sim.Nature]float64{}, map[sim.Nature]float64{}
	n := 0
	for e, ok := r.Next(); ok; e, ok = r.Next() {
		nature, err := r.Nature(e.Customer)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range e.Lines {
			if e.Kind == profile.KindPurchase {
				bought[nature] += float64(l.Paid)
			}
		}
		if e.Kind == profile.KindReturn {
			back[nature] += float64(e.Refund)
			n++
			offer := sim.Offer{DecisionID: fmt.Sprint(n), OfferID: "pct-10", Kind: "percent_off", Value: 0.1, Validity: 72 * time.Hour}
			if err := r.Respond(e.Customer, offer, e.Time); err != nil {
				t.Fatal(err)
			}
		}
	}
	if rate := back[sim.Honest] / bought[sim.Honest]; rate < 0.08 || rate > 0.35 {
		t.Errorf("honest customers return %.2f of value", rate)
	}
	for _, nature := range []sim.Nature{sim.Wardrober, sim.Looper, sim.Splitter} {
		if rate := back[nature] / bought[nature]; rate < 0.5 {
			t.Errorf("a %s returns %.2f of value", nature, rate)
		}
	}
}

func BenchmarkCustomerDays(b *testing.B) {
	c := sim.DefaultConfig()
	c.Customers, c.Days = 10_000, 100
	events := 0
	for b.Loop() {
		events = len(run(b, c))
	}
	b.ReportMetric(float64(c.Customers*c.Days)*float64(b.N)/b.Elapsed().Seconds()/1e6, "M-customer-days/s")
	b.ReportMetric(float64(events), "events")
}
