package sim

import (
	"fmt"
	"slices"
	"time"
)

// Store is one store of the retailer.
type Store struct {
	ID     string // its scope, e.g. "us.ne.0401"
	Region string // e.g. "us.ne"
	Zone   *time.Location
	// Facts that policies may read as reference data, in major units and shares.
	BORISSaving, AttachMargin, COGSRate float64
	Assortment                          []string
	ClearanceEvent                      bool
}

// stylesPerCategory is the breadth of the assortment.
const stylesPerCategory = 40

// category is one category of goods.
type category struct {
	name   string
	price  float64 // median, major units
	sized  bool
	margin float64 // share of the price
	back   float64 // how much more often than others it comes back
}

func categories() []category {
	return []category{
		{"basics", 18, true, 0.48, 0.7},
		{"shoes", 75, true, 0.45, 1.3},
		{"coats", 120, true, 0.52, 1.2},
		{"dresses", 60, true, 0.50, 1.5},
		{"accessories", 25, false, 0.60, 0.5},
		{"home", 35, false, 0.40, 0.4},
	}
}

func sizes() []string { return []string{"XS", "S", "M", "L", "XL"} }

// Categories lists the names of the retailer's categories and their margins.
func Categories() (names []string, margins []float64) {
	for _, c := range categories() {
		names, margins = append(names, c.name), append(margins, c.margin)
	}
	return names, margins
}

func newStores(c Config) []Store {
	regions := []struct {
		name   string
		hours  int
		number int
	}{{"us.ne", -5, 400}, {"us.s", -6, 600}, {"us.w", -8, 800}}
	stores := make([]Store, c.Stores)
	for i := range stores {
		r := regions[i%len(regions)]
		l := draw(c.Seed, i, 0, forStyle)
		names, _ := Categories()
		if l.chance(0.3) { // a small store without home
			names = names[:len(names)-1]
		}
		stores[i] = Store{
			ID: fmt.Sprintf("%s.%04d", r.name, r.number+1+i/len(regions)), Region: r.name,
			Zone:        time.FixedZone(r.name, r.hours*3600),
			BORISSaving: 4 + 4*l.unit(), AttachMargin: 8 + 8*l.unit(), COGSRate: 0.5 + 0.1*l.unit(),
			Assortment: slices.Clip(names), ClearanceEvent: l.chance(0.1),
		}
	}
	return stores
}
