package client_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/rebound-engine/rebound/client"
	"github.com/rebound-engine/rebound/client/clienttest"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// Example asks what to offer for a return. A real program dials the server:
// client.Dial("127.0.0.1:7420", client.WithFallback(10*time.Millisecond)).
func Example() {
	fake := clienttest.New(clienttest.Always(&pb.Offer{OfferId: "pct-20", Token: "signed"}))
	defer fake.Close()
	c, err := fake.Client()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	d, err := c.Decide(context.Background(), &pb.DecideRequest{
		RequestId:   "till-7-0001",
		CustomerIds: []*pb.CustomerId{{Namespace: "loyalty", Value: "12345"}},
		Channel:     pb.Channel_CHANNEL_BORIS,
		Phase:       pb.Phase_PHASE_REFUNDED,
		ItemReturn: &pb.ItemReturn{
			ReturnId: "r-1",
			Refund:   &pb.Money{CurrencyCode: "USD", MinorUnits: 8000},
			Lines:    []*pb.ReturnLine{{Sku: "shoe-42", Quantity: 1, PaidMinorUnits: 8000, Reason: "SIZE"}},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.GetOutcome(), d.GetOffer().GetOfferId())
	// Output: OUTCOME_OFFER pct-20
}

// ExampleWithFallback goes on without a server: the till offers nothing and says why.
func ExampleWithFallback() {
	c, err := client.Dial("unix:/nonexistent/rebound.sock", client.WithFallback(10*time.Millisecond))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	d, err := c.Decide(context.Background(), &pb.DecideRequest{RequestId: "till-7-0002"})
	fmt.Println(d.GetOutcome(), client.Local(d), err)
	// Output: OUTCOME_NO_OFFER true <nil>
}

// ExampleError branches on what went wrong.
func ExampleError() {
	fake := clienttest.New(clienttest.Fail(codes.FailedPrecondition, pb.ErrorReason_ERROR_REASON_NO_BUNDLE, "no bundle is active"))
	defer fake.Close()
	c, err := fake.Client()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	_, err = c.Decide(context.Background(), &pb.DecideRequest{RequestId: "till-7-0003"})
	fmt.Println(errors.Is(err, client.ErrNoBundle), client.ReasonOf(err))
	// Output: true ERROR_REASON_NO_BUNDLE
}
