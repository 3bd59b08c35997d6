package clienttest_test

import (
	"context"
	"fmt"

	"github.com/rebound-engine/rebound/client/clienttest"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// Example tests a till that prints what it is told to offer.
func Example() {
	fake := clienttest.New(clienttest.Always(&pb.Offer{OfferId: "pct-10", Kind: "percent_off"}))
	defer fake.Close()
	c, err := fake.Client()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	d, err := c.Decide(context.Background(), &pb.DecideRequest{RequestId: "till-7-0001"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.GetOffer().GetOfferId(), len(fake.Requests()))
	// Output: pct-10 1
}
