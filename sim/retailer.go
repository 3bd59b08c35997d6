package sim

import (
	"fmt"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/internal/currency"
)

// Retailer is a running simulation. It is used by one goroutine at a time.
type Retailer struct {
	config    Config
	scale     float64 // minor units in a major unit
	stores    []Store
	zones     []*time.Location
	byZone    [][]int // customers by zone
	customers []customer
	queue     queue
	sequence  uint64
	start     int64 // of day 0 in UTC, Unix milliseconds
	clock     int64 // time of the last event handed out
	natural   []int32
	hazards   []float64 // of the customer's current day, as drawn
}

// New builds the retailer. The same configuration gives the same events.
func New(c Config) (*Retailer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	scale, err := currency.Scale(c.Currency)
	if err != nil {
		return nil, fmt.Errorf("simulated retailer: %w", err)
	}
	r := &Retailer{
		config: c, scale: float64(scale), stores: newStores(c), customers: make([]customer, c.Customers),
		start:   c.Start.UTC().Truncate(24 * time.Hour).UnixMilli(),
		natural: make([]int32, c.Customers), hazards: make([]float64, c.Customers),
	}
	for i := range r.customers {
		r.customers[i] = newCustomer(c, i)
		r.natural[i] = -1
		r.zone(i)
	}
	for z := range r.zones {
		r.push(item{at: r.midnight(z, 0), who: z, kind: newDay})
	}
	return r, nil
}

// zone files a customer under the time zone of the customer's store.
func (r *Retailer) zone(i int) {
	zone := r.stores[r.customers[i].store].Zone
	for z := range r.zones {
		if r.zones[z] == zone || r.zones[z].String() == zone.String() {
			r.byZone[z] = append(r.byZone[z], i)
			return
		}
	}
	r.zones, r.byZone = append(r.zones, zone), append(r.byZone, []int{i})
}

// Stores lists the stores. The result must not be changed.
func (r *Retailer) Stores() []Store { return r.stores }

// Nature tells what a customer is. The error says that there is no such customer.
func (r *Retailer) Nature(id profile.Identity) (Nature, error) {
	i, err := r.find(id)
	if err != nil {
		return Honest, err
	}
	return r.customers[i].nature, nil
}

const msPerDay = 24 * 3600_000

// offset is a zone's distance from UTC in milliseconds. The zones are fixed.
func offset(zone *time.Location) int64 {
	_, seconds := time.Unix(0, 0).In(zone).Zone()
	return int64(seconds) * 1000
}

// midnight is the start of a day in a zone.
func (r *Retailer) midnight(z, day int) int64 {
	return r.start + int64(day)*msPerDay - offset(r.zones[z])
}

func (r *Retailer) local(u *customer, ms int64) time.Time {
	return time.UnixMilli(ms).In(r.stores[u.store].Zone)
}

// localDay is the customer's day number at a time.
func (r *Retailer) localDay(u *customer, ms int64) int {
	since := ms + offset(r.stores[u.store].Zone) - r.start
	if since < 0 {
		return -1
	}
	return int(since / msPerDay)
}

// Next returns the next event in time order; ok is false at the end of the last day.
func (r *Retailer) Next() (e *profile.Event, ok bool) {
	for len(r.queue) > 0 {
		it := r.queue.pop()
		switch it.kind {
		case newDay:
			r.day(it.who, it.at)
		case unprompted, prompted:
			r.purchase(&it)
		case ready:
			if it.at >= r.start+int64(r.config.Days+1)*msPerDay {
				continue
			}
			r.clock = it.at
			return it.event, true
		}
	}
	return nil, false
}

// day draws the unprompted purchases of a zone's new day.
func (r *Retailer) day(z int, at int64) {
	local := at + offset(r.zones[z]) - r.start
	day := int(local / msPerDay)
	if day >= r.config.Days {
		return
	}
	date := time.UnixMilli(r.start + local).UTC()
	weekday, s := int(date.Weekday()), season(date.YearDay()-1)
	for _, i := range r.byZone[z] {
		u := &r.customers[i]
		h := u.hazard(day, weekday, s)
		r.hazards[i] = h
		l := draw(r.config.Seed, i, day, forDay)
		if l.unit() >= h {
			continue
		}
		minute := u.hourOf(l.unit())*60 + l.below(60)
		r.push(item{at: at + int64(minute)*60_000 + int64(l.below(60_000)), who: i, kind: unprompted})
	}
	r.push(item{at: at + msPerDay, who: z, kind: newDay})
}
