package client

import (
	"context"
	"errors"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// localSubject marks what the client decided by itself.
const localSubject = "server"

// noAnswer tells the failures that say nothing about the request.
func noAnswer(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnavailable) || errors.Is(err, ErrOverloaded)
}

// degraded is what a till does without a server: it offers nothing.
func degraded(req *pb.DecideRequest, cause error) *pb.DecideResponse {
	return &pb.DecideResponse{
		RequestId: req.GetRequestId(),
		Outcome:   pb.Outcome_OUTCOME_NO_OFFER,
		Degraded:  []*pb.Degradation{{Subject: localSubject, Rung: "NO_OFFER", Cause: "decided by the client: " + cause.Error()}},
		DryRun:    req.GetDryRun(),
	}
}

// Degraded tells whether a decision was made with less than usual, by the server or here.
func Degraded(d *pb.DecideResponse) bool { return len(d.GetDegraded()) > 0 }

// Local tells whether a decision was made by the client itself; it is then in no journal and has no id.
func Local(d *pb.DecideResponse) bool {
	return Degraded(d) && d.GetDecisionId() == "" && d.GetDegraded()[0].GetSubject() == localSubject
}
