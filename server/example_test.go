package server_test

import (
	"context"
	"fmt"
	"time"

	"github.com/rebound-engine/rebound/engine"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/server"
	"github.com/rebound-engine/rebound/server/servertest"
)

// decider answers every request alike; a real server is given the engine.
type decider struct {
	decide func(context.Context, *engine.Request) (*engine.Decision, error)
}

func (d *decider) Decide(ctx context.Context, r *engine.Request) (*engine.Decision, error) {
	return d.decide(ctx, r)
}

func (d *decider) Decision(_ context.Context, id string) (*engine.Decision, error) {
	if id != "d-1" {
		return nil, engine.ErrNotFound
	}
	return sampleDecision(), nil
}

// Example serves decisions and asks for one.
func Example() {
	nothing := func(_ context.Context, r *engine.Request) (*engine.Decision, error) {
		return &engine.Decision{ID: "d-1", RequestID: r.RequestID, Outcome: engine.OutcomeNoOffer, Assigned: engine.None, Delivered: engine.None}, nil
	}
	s, err := servertest.Run(server.Services{Decisions: &decider{nothing}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	d, err := pb.NewDecisionServiceClient(s.Conn).Decide(ctx, &pb.DecideRequest{
		RequestId: "till-7-0001",
		Channel:   pb.Channel_CHANNEL_STORE,
		Phase:     pb.Phase_PHASE_REFUNDED,
		ItemReturn: &pb.ItemReturn{
			ReturnId: "r-1",
			Refund:   &pb.Money{CurrencyCode: "USD", MinorUnits: 8000},
			Lines:    []*pb.ReturnLine{{Sku: "shoe-42", Quantity: 1, PaidMinorUnits: 8000}},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.GetDecisionId(), d.GetOutcome())
	// Output: d-1 OUTCOME_NO_OFFER
}
