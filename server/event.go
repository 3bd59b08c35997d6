package server

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// eventServer serves EventService.
type eventServer struct {
	pb.UnimplementedEventServiceServer
	handlers
	events Events
}

// RecordEvents implements EventServiceServer.
func (s *eventServer) RecordEvents(ctx context.Context, m *pb.RecordEventsRequest) (*pb.RecordEventsResponse, error) {
	results, err := s.record(ctx, m.GetEvents())
	if err != nil {
		return nil, err
	}
	out, position := fromResults(results, currencies(m.GetEvents()))
	return &pb.RecordEventsResponse{Results: out, Position: position}, nil
}

func (s *eventServer) record(ctx context.Context, events []*pb.Event) ([]engine.EventResult, error) {
	in := make([]*profile.Event, len(events))
	for i, m := range events {
		e, err := toEvent(m)
		if err != nil {
			return nil, inside(err, "events", i)
		}
		in[i] = e
	}
	return s.events.Record(ctx, in)
}

// StreamEvents implements EventServiceServer. A batch that breaks a field rule
// ends the stream; what was acknowledged before stays.
func (s *eventServer) StreamEvents(stream grpc.BidiStreamingServer[pb.StreamEventsRequest, pb.StreamEventsResponse]) error {
	var position uint64
	for batch := uint64(1); ; batch++ {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if s.way.draining.Load() {
			return &drainingError{s.cfg.RetryDelay}
		}
		results, err := s.record(stream.Context(), m.GetEvents())
		if err != nil {
			return err
		}
		ack := acknowledge(results, currencies(m.GetEvents()))
		position = max(position, ack.GetPosition())
		ack.Batch, ack.Position = batch, position
		if err := stream.Send(ack); err != nil {
			return err
		}
	}
}

// acknowledge sums a batch up and lists what was rejected.
func acknowledge(results []engine.EventResult, currencies []string) *pb.StreamEventsResponse {
	out, position := fromResults(results, currencies)
	ack := &pb.StreamEventsResponse{Position: position}
	for _, r := range out {
		switch r.GetStatus() {
		case pb.EventStatus_EVENT_STATUS_ACCEPTED:
			ack.Accepted++
		case pb.EventStatus_EVENT_STATUS_DUPLICATE:
			ack.Duplicates++
		default:
			ack.Rejected = append(ack.Rejected, r)
		}
	}
	return ack
}
