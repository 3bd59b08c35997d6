package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc"

	"github.com/rebound-engine/rebound/client"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// recordBatch records events and returns a result for each. A call with one
// event that breaks a field rule is refused as a whole; here that event alone
// is rejected, and the others are sent again.
func recordBatch(ctx context.Context, c pb.EventServiceClient, events []*pb.Event) ([]*pb.EventResult, error) {
	results := make([]*pb.EventResult, len(events))
	left := make([]int, len(events))
	for i := range left {
		left[i] = i
	}
	for len(left) > 0 {
		batch := make([]*pb.Event, len(left))
		for i, n := range left {
			batch[i] = events[n]
		}
		resp, err := c.RecordEvents(ctx, &pb.RecordEventsRequest{Events: batch}, grpc.WaitForReady(true))
		if err == nil {
			for i, r := range resp.GetResults() {
				results[left[i]] = r
			}
			return results, nil
		}
		problems := eventProblems(err, len(batch))
		if len(problems) == 0 {
			return nil, err
		}
		var good []int
		for i, n := range left {
			if p := problems[i]; p != nil {
				results[n] = &pb.EventResult{EventId: events[n].GetEventId(), Status: pb.EventStatus_EVENT_STATUS_REJECTED, Reason: "INVALID", Detail: strings.Join(p, "; ")}
			} else {
				good = append(good, n)
			}
		}
		left = good
	}
	return results, nil
}

// eventProblems finds the events a refused call names, by their index in it; empty if it names none.
func eventProblems(err error, events int) map[int][]string {
	var e *client.Error
	if !errors.As(err, &e) || !errors.Is(err, client.ErrInvalid) {
		return nil
	}
	problems := map[int][]string{}
	for _, f := range e.Fields {
		index, field, _ := strings.Cut(f.Path, ".")
		var i int
		if n, _ := fmt.Sscanf(index, "events[%d]", &i); n == 1 && i >= 0 && i < events {
			problems[i] = append(problems[i], field+": "+f.Problem)
		}
	}
	return problems
}
