package sim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/sim"
)

// suspected is the abuse score from which the example policies refuse.
const suspected = 0.85

// Ten percent after every return, the way swindlers like it: the score must
// single them out after a few returns and leave honest customers alone.
func TestAbuseScoreFindsSwindlers(t *testing.T) {
	c := sim.DefaultConfig()
	c.Customers, c.Swindlers, c.Seed = 4000, 0.05, 77
	r, err := sim.New(c)
	if err != nil {
		t.Fatal(err)
	}
	abuse, _ := profile.Lookup("customer.abuse_score")
	var folder profile.Folder
	var seen profile.Seen
	records, returns := map[profile.Identity]profile.Records{}, map[profile.Identity]int{}
	early, late := map[sim.Nature]*[2]float64{}, map[sim.Nature]*[2]float64{} // returns, of them suspected
	for k := sim.Honest; k <= sim.Splitter; k++ {
		early[k], late[k] = &[2]float64{}, &[2]float64{}
	}
	for e, ok := r.Next(); ok; e, ok = r.Next() {
		before := records[e.Customer]
		if e.Kind == profile.KindReturn {
			ret := &profile.Return{ID: e.ReturnID, OrderID: e.OrderID, Lines: e.Lines, Refund: e.Refund}
			if err := seen.Read(before, nil, ret, e.Time, "USD"); err != nil {
				t.Fatal(err)
			}
			nature, err := r.Nature(e.Customer)
			if err != nil {
				t.Fatal(err)
			}
			returns[e.Customer]++
			count := early[nature]
			if returns[e.Customer] > 7 {
				count = late[nature]
			}
			count[0]++
			if seen.Number(&abuse) >= suspected {
				count[1]++
			}
			offer := sim.Offer{DecisionID: fmt.Sprint("d-", e.ID), OfferID: "pct-10", Kind: "percent_off", Value: 0.1, Validity: 72 * time.Hour}
			if err := r.Respond(e.Customer, offer, e.Time); err != nil {
				t.Fatal(err)
			}
		}
		after, _, err := folder.Event(before.History, e)
		if err != nil {
			t.Fatal(err)
		}
		records[e.Customer] = after
	}
	for k := sim.Honest; k <= sim.Splitter; k++ {
		t.Logf("%s: suspected %.4f of %.0f first seven returns, %.4f of %.0f later ones", k,
			early[k][1]/early[k][0], early[k][0], late[k][1]/late[k][0], late[k][0])
	}
	if share := (early[sim.Honest][1] + late[sim.Honest][1]) / (early[sim.Honest][0] + late[sim.Honest][0]); share > 0.005 {
		t.Errorf("%.4f of honest returns are suspected", share)
	}
	for k := sim.Wardrober; k <= sim.Splitter; k++ {
		if share := late[k][1] / late[k][0]; share < 0.85 {
			t.Errorf("a %s is suspected at %.2f of returns after the seventh", k, share)
		}
	}
}
