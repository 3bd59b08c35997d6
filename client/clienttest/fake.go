// Package clienttest is an in-memory server for tests of programs that use
// package client: it answers as it is told, keeps what it was asked, and holds
// callers to the API's rules on request ids and event ids.
//
// It refuses to know policies, models and budgets: it does not decide anything.
package clienttest

import (
	"context"
	"net"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/rebound-engine/rebound/client"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// Decide answers one request. It must not change it.
type Decide func(*pb.DecideRequest) (*pb.DecideResponse, error)

// NoOffer answers every request with NO_OFFER.
func NoOffer(*pb.DecideRequest) (*pb.DecideResponse, error) {
	return &pb.DecideResponse{Outcome: pb.Outcome_OUTCOME_NO_OFFER}, nil
}

// Always answers every request with the same offer.
func Always(offer *pb.Offer) Decide {
	return func(*pb.DecideRequest) (*pb.DecideResponse, error) {
		return &pb.DecideResponse{Outcome: pb.Outcome_OUTCOME_OFFER, Offer: proto.CloneOf(offer)}, nil
	}
}

// Fail answers every request with a status and a reason, as a server would.
func Fail(code codes.Code, reason pb.ErrorReason, message string) Decide {
	return func(*pb.DecideRequest) (*pb.DecideResponse, error) { return nil, failure(code, reason, message) }
}

func failure(code codes.Code, reason pb.ErrorReason, message string) error {
	info := &errdetails.ErrorInfo{Reason: reason.String()[len("ERROR_REASON_"):], Domain: "rebound"}
	s, err := status.New(code, message).WithDetails(info)
	if err != nil {
		return status.Error(code, message)
	}
	return s.Err()
}

// Fake is the server. It is safe for concurrent use.
type Fake struct {
	pb.UnimplementedDecisionServiceServer
	pb.UnimplementedEventServiceServer

	lis  *bufconn.Listener
	grpc *grpc.Server

	mu       sync.Mutex
	decide   Decide
	requests []*pb.DecideRequest
	answers  map[string]answer
	byID     map[string]*pb.DecideResponse
	events   []*pb.Event
	eventIDs map[string]bool
}

type answer struct {
	request  *pb.DecideRequest
	response *pb.DecideResponse
}

// New starts a server that answers with decide; nil is NoOffer. Close it in the end.
func New(decide Decide) *Fake {
	f := &Fake{
		lis: bufconn.Listen(1 << 20), grpc: grpc.NewServer(), // 1 MiB
		answers: make(map[string]answer), byID: make(map[string]*pb.DecideResponse), eventIDs: make(map[string]bool),
	}
	f.Answer(decide)
	pb.RegisterDecisionServiceServer(f.grpc, f)
	pb.RegisterEventServiceServer(f.grpc, f)
	go func() { _ = f.grpc.Serve(f.lis) }() // ends with Close
	return f
}

// Close ends the server: calls under way and later ones fail with UNAVAILABLE.
func (f *Fake) Close() { f.grpc.Stop() }

// testTimeout is what a Decide may take where a test says nothing: on a busy machine the default is a flake.
const testTimeout = time.Minute

// Client dials the server. Decide may take a minute unless an option says otherwise.
func (f *Fake) Client(opts ...client.Option) (*client.Client, error) {
	dial := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return f.lis.DialContext(ctx) })
	return client.Dial("passthrough:///fake", append([]client.Option{client.WithDialOptions(dial), client.WithDecideTimeout(testTimeout)}, opts...)...)
}

// Answer changes how new requests are answered.
func (f *Fake) Answer(decide Decide) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.decide = decide; decide == nil {
		f.decide = NoOffer
	}
}

// Requests returns what was asked so far, repetitions included.
func (f *Fake) Requests() []*pb.DecideRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*pb.DecideRequest(nil), f.requests...)
}

// Recorded returns the events recorded so far, without duplicates.
func (f *Fake) Recorded() []*pb.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*pb.Event(nil), f.events...)
}

// Decide implements DecisionServiceServer.
func (f *Fake) Decide(_ context.Context, req *pb.DecideRequest) (*pb.DecideResponse, error) {
	f.mu.Lock()
	decide := f.decide
	f.requests = append(f.requests, req)
	earlier, repeated := f.answers[req.GetRequestId()]
	f.mu.Unlock()
	switch {
	case req.GetRequestId() == "":
		return nil, failure(codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_INVALID_FIELD, "request_id: value is required")
	case repeated && !proto.Equal(earlier.request, req):
		return nil, failure(codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED, "request id was used with another body")
	case repeated:
		return earlier.response, nil
	}
	resp, err := decide(req)
	if err != nil {
		return nil, err
	}
	return f.keep(req, resp), nil
}

// keep names an answer and remembers it.
func (f *Fake) keep(req *pb.DecideRequest, resp *pb.DecideResponse) *pb.DecideResponse {
	resp = proto.CloneOf(resp)
	resp.RequestId, resp.DryRun = req.GetRequestId(), req.GetDryRun()
	if resp.GetDecisionId() == "" && !req.GetDryRun() {
		resp.DecisionId = "d-" + req.GetRequestId()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !req.GetDryRun() {
		f.answers[req.GetRequestId()] = answer{proto.CloneOf(req), resp}
		f.byID[resp.GetDecisionId()] = resp
	}
	return resp
}

// GetDecision implements DecisionServiceServer.
func (f *Fake) GetDecision(_ context.Context, req *pb.GetDecisionRequest) (*pb.GetDecisionResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	resp, ok := f.byID[req.GetDecisionId()]
	if !ok {
		return nil, failure(codes.NotFound, pb.ErrorReason_ERROR_REASON_DECISION_NOT_FOUND, "no decision "+req.GetDecisionId())
	}
	return &pb.GetDecisionResponse{Decision: resp}, nil
}

// RecordEvents implements EventServiceServer.
func (f *Fake) RecordEvents(_ context.Context, req *pb.RecordEventsRequest) (*pb.RecordEventsResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	resp := new(pb.RecordEventsResponse)
	for _, e := range req.GetEvents() {
		result := &pb.EventResult{EventId: e.GetEventId(), Status: pb.EventStatus_EVENT_STATUS_DUPLICATE}
		if !f.eventIDs[e.GetEventId()] {
			f.eventIDs[e.GetEventId()] = true
			f.events = append(f.events, e)
			result.Status, result.Position = pb.EventStatus_EVENT_STATUS_ACCEPTED, uint64(len(f.events))
		}
		resp.Results = append(resp.Results, result)
	}
	resp.Position = uint64(len(f.events))
	return resp, nil
}
