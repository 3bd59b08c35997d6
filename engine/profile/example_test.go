package profile_test

import (
	"fmt"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
)

// Two events become a profile; a decision reads it with the return at hand.
func Example() {
	at := time.Date(2026, 10, 1, 15, 0, 0, 0, time.UTC)
	customer := profile.Identity{Namespace: "loyalty", Value: "12345"}
	member := true
	events := []*profile.Event{
		{ID: "loy-1", Kind: profile.KindLoyaltyChange, Customer: customer, Time: at, LoyaltyMember: &member},
		{ID: "inv-1", Kind: profile.KindPurchase, Customer: customer, Time: at, Channel: profile.ChannelOnline, Currency: "USD", OrderID: "o-1",
			Lines: []profile.Line{{SKU: "boot-42", Style: "boot", Size: "42", Category: "shoes", Quantity: 1, Paid: 8000}}},
	}
	for _, e := range events {
		if err := profile.Validate(e, at, time.Minute); err != nil {
			fmt.Println(err)
			return
		}
	}
	var folder profile.Folder
	records, _, err := folder.Events(nil, events)
	if err != nil {
		fmt.Println(err)
		return
	}

	ret := &profile.Return{ID: "ret-1", OrderID: "o-1", Refund: 8000, Lines: []profile.Line{{SKU: "boot-42", Quantity: 1, Paid: 8000, Reason: "SIZE"}}}
	var seen profile.Seen
	if err := seen.Read(records, nil, ret, at.Add(10*24*time.Hour), "USD"); err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range []string{"customer.recency_days", "customer.loyalty_member", "ret.days_since_purchase", "ret.matched_share", "customer.expected_basket"} {
		f, _ := profile.Lookup(name)
		fmt.Println(name, seen.Number(&f))
	}
	top, _ := profile.Lookup("customer.top_categories")
	fmt.Println(seen.Texts(nil, &top))
	// Output:
	// customer.recency_days 10
	// customer.loyalty_member 1
	// ret.days_since_purchase 10
	// ret.matched_share 1
	// customer.expected_basket 80
	// [shoes]
}
