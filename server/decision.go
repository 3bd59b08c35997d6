package server

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"

	"google.golang.org/grpc"

	"github.com/rebound-engine/rebound/engine"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// handlers is what the handlers of several services share.
type handlers struct {
	cfg      *Config
	way      *middleware
	stopping <-chan struct{}
}

// decisionServer serves DecisionService.
type decisionServer struct {
	pb.UnimplementedDecisionServiceServer
	handlers
	decisions Decisions
	questions sync.Pool // *question
	answers   sync.Pool // *answer
}

// Decide implements DecisionServiceServer.
func (s *decisionServer) Decide(ctx context.Context, m *pb.DecideRequest) (*pb.DecideResponse, error) {
	d, err := s.ask(ctx, m)
	if err != nil {
		return nil, err
	}
	defer d.Release()
	return seenBy(new(parts), m.GetAudience(), d, m.GetExplain()), nil
}

// answer is Decide for the codec, which gives the answer back once it is sent.
func (s *decisionServer) answer(ctx context.Context, m *pb.DecideRequest) (*answer, error) {
	d, err := s.ask(ctx, m)
	if err != nil {
		return nil, err
	}
	defer d.Release()
	a, ok := s.answers.Get().(*answer)
	if !ok {
		a = &answer{pool: &s.answers}
	}
	a.DecideResponse = seenBy(&a.parts, m.GetAudience(), d, m.GetExplain())
	return a, nil
}

// ask puts the question to the engine, which does not keep it. A question it panics at is left to the collector.
func (s *decisionServer) ask(ctx context.Context, m *pb.DecideRequest) (*engine.Decision, error) {
	q, ok := s.questions.Get().(*question)
	if !ok {
		q = new(question)
	}
	if err := q.read(m); err != nil {
		return nil, err
	}
	together()
	d, err := s.decisions.Decide(ctx, &q.request)
	together()
	q.forget()
	s.questions.Put(q)
	return d, err
}

// together lets the calls that can run now come to this step, too: the processor
// then finds a step's code in its caches for one call after the other (Larus and
// Parkes 2002, "Using cohort scheduling to enhance server performance", section 2).
// With nobody else to run, nothing waits.
func together() { runtime.Gosched() }

// seenBy converts a decision, without what is not for stores, associates and customers to see.
func seenBy(p *parts, who pb.Audience, d *engine.Decision, explain pb.Explain) *pb.DecideResponse {
	if who == pb.Audience_AUDIENCE_UNSPECIFIED || who == pb.Audience_AUDIENCE_OPERATOR {
		return fromDecision(p, d, explain)
	}
	return fromDecision(p, d.Redacted(), min(explain, pb.Explain_EXPLAIN_REASONS))
}

// BatchDecide implements DecisionServiceServer.
func (s *decisionServer) BatchDecide(ctx context.Context, m *pb.BatchDecideRequest) (*pb.BatchDecideResponse, error) {
	results := make([]*pb.DecideResult, len(m.GetRequests()))
	work := newWorkers(s.cfg.StreamWorkers)
	for i, req := range m.GetRequests() {
		work.run(func() { results[i] = s.result(ctx, req) })
	}
	work.wait()
	return &pb.BatchDecideResponse{Results: results}, nil
}

// result is Decide with its error as part of the answer. It runs on goroutines
// of its own, so that it has to catch panics itself.
func (s *decisionServer) result(ctx context.Context, req *pb.DecideRequest) (out *pb.DecideResult) {
	defer func() {
		if p := recover(); p != nil {
			out = s.refused(ctx, req, s.way.recovered(ctx, pb.DecisionService_Decide_FullMethodName, callID(ctx, req), p))
		}
	}()
	d, err := s.Decide(ctx, req)
	if err != nil {
		return s.refused(ctx, req, err)
	}
	return &pb.DecideResult{RequestId: req.GetRequestId(), Result: &pb.DecideResult_Decision{Decision: d}}
}

func (s *decisionServer) refused(ctx context.Context, req *pb.DecideRequest, err error) *pb.DecideResult {
	p := problem(s.way.mapped(ctx, pb.DecisionService_Decide_FullMethodName, err))
	return &pb.DecideResult{RequestId: req.GetRequestId(), Result: &pb.DecideResult_Problem{Problem: p}}
}

// StreamDecide implements DecisionServiceServer. A request that breaks a field rule fails alone.
func (s *decisionServer) StreamDecide(stream grpc.BidiStreamingServer[pb.StreamDecideRequest, pb.StreamDecideResponse]) error {
	answers := &answerStream{stream: stream}
	work := newWorkers(s.cfg.StreamWorkers)
	defer work.wait()
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			work.wait()
			return answers.failed()
		}
		if err != nil {
			return err
		}
		if err := answers.failed(); err != nil {
			return err
		}
		if s.way.draining.Load() {
			return &drainingError{s.cfg.RetryDelay}
		}
		work.run(func() { answers.send(s.streamed(stream.Context(), m)) })
	}
}

func (s *decisionServer) streamed(ctx context.Context, m *pb.StreamDecideRequest) *pb.DecideResult {
	if err := s.way.validate.check(m); err != nil {
		return s.refused(ctx, m.GetRequest(), err)
	}
	return s.result(ctx, m.GetRequest())
}

// answerStream sends answers one at a time and remembers the first failure.
type answerStream struct {
	stream grpc.BidiStreamingServer[pb.StreamDecideRequest, pb.StreamDecideResponse]
	mu     sync.Mutex
	err    error
}

func (a *answerStream) send(r *pb.DecideResult) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.err = a.stream.Send(&pb.StreamDecideResponse{Result: r})
	}
}

func (a *answerStream) failed() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// GetDecision implements DecisionServiceServer.
func (s *decisionServer) GetDecision(ctx context.Context, m *pb.GetDecisionRequest) (*pb.GetDecisionResponse, error) {
	d, err := s.decisions.Decision(ctx, m.GetDecisionId())
	if err != nil {
		return nil, named(err, pb.ErrorReason_ERROR_REASON_DECISION_NOT_FOUND, "decision", m.GetDecisionId())
	}
	return &pb.GetDecisionResponse{Decision: seenBy(new(parts), m.GetAudience(), d, pb.Explain_EXPLAIN_FULL)}, nil
}
