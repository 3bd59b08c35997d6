package server

import (
	"context"

	"google.golang.org/grpc"

	"github.com/rebound-engine/rebound/engine"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/store"
)

// journalServer serves JournalService.
type journalServer struct {
	pb.UnimplementedJournalServiceServer
	handlers
	journal Journal
}

// QueryDecisions implements JournalServiceServer.
func (s *journalServer) QueryDecisions(ctx context.Context, m *pb.QueryDecisionsRequest) (*pb.QueryDecisionsResponse, error) {
	q, err := toQuery(m.GetFilter())
	if err != nil {
		return nil, err
	}
	q.PageSize, q.PageToken, q.Oldest = int(m.GetPageSize()), m.GetPageToken(), m.GetOldestFirst()
	page, err := s.journal.Query(ctx, q)
	if err != nil {
		return nil, err
	}
	resp := &pb.QueryDecisionsResponse{Entries: make([]*pb.DecisionEntry, len(page.Decisions)), NextPageToken: page.NextToken}
	for i, d := range page.Decisions {
		resp.Entries[i] = fromEntry(d)
	}
	return resp, nil
}

// TailDecisions implements JournalServiceServer. It ends when the caller goes away or the server drains.
func (s *journalServer) TailDecisions(m *pb.TailDecisionsRequest, stream grpc.ServerStreamingServer[pb.TailDecisionsResponse]) error {
	q, err := toQuery(m.GetFilter())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	go func() {
		select {
		case <-s.stopping:
			cancel(&drainingError{s.cfg.RetryDelay})
		case <-ctx.Done():
		}
	}()
	err = s.journal.Tail(ctx, q, store.Position(m.GetAfterPosition()), func(d *engine.Decision) error {
		return stream.Send(&pb.TailDecisionsResponse{Entry: fromEntry(d)})
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
