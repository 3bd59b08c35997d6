// Package remotetest owns an inference server in the process of a test, which
// answers what the test tells it to. It refuses to know any model.
package remotetest

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/rebound-engine/rebound/proto/inference"
)

// Infer answers one question.
type Infer func(ctx context.Context, r *inference.ModelInferRequest) (*inference.ModelInferResponse, error)

// Server is an inference server with one model. What it answers may be changed between calls.
type Server struct {
	inference.UnimplementedGRPCInferenceServiceServer

	infer atomic.Pointer[Infer]
	meta  atomic.Pointer[inference.ModelMetadataResponse]
	busy  atomic.Bool
	calls atomic.Int64
}

// New makes a server that is ready, describes nothing and answers by infer.
func New(infer Infer) *Server {
	s := &Server{}
	s.Answers(infer)
	s.Describes(&inference.ModelMetadataResponse{})
	return s
}

// Answers changes what is answered.
func (s *Server) Answers(infer Infer) { s.infer.Store(&infer) }

// Describes changes the description of the model.
func (s *Server) Describes(m *inference.ModelMetadataResponse) { s.meta.Store(m) }

// NotReady lets the server say that the model is not ready.
func (s *Server) NotReady() { s.busy.Store(true) }

// Calls is how often the model was asked.
func (s *Server) Calls() int64 { return s.calls.Load() }

// Serve listens at an address ("" for any port of this host) until the end of the test or
// stop, and returns where.
func (s *Server) Serve(t testing.TB, address string, opts ...grpc.ServerOption) (at string, stop func()) {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer(opts...)
	inference.RegisterGRPCInferenceServiceServer(g, s)
	done := make(chan error, 1)
	go func() { done <- g.Serve(l) }()
	stop = sync.OnceFunc(func() {
		g.Stop()
		if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) { // stopped before it served
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

// Secure is the option of a server with a certificate.
func Secure(c credentials.TransportCredentials) grpc.ServerOption { return grpc.Creds(c) }

// ModelInfer asks the model.
func (s *Server) ModelInfer(ctx context.Context, r *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	s.calls.Add(1)
	return (*s.infer.Load())(ctx, r)
}

// ModelReady says whether the model is ready.
func (s *Server) ModelReady(context.Context, *inference.ModelReadyRequest) (*inference.ModelReadyResponse, error) {
	return &inference.ModelReadyResponse{Ready: !s.busy.Load()}, nil
}

// ModelMetadata describes the model.
func (s *Server) ModelMetadata(context.Context, *inference.ModelMetadataRequest) (*inference.ModelMetadataResponse, error) {
	return s.meta.Load(), nil
}

// Typed is an answer of one FP64 output "predict".
func Typed(shape []int64, values ...float64) *inference.ModelInferResponse {
	return &inference.ModelInferResponse{Outputs: []*inference.ModelInferResponse_InferOutputTensor{
		{Name: "predict", Datatype: "FP64", Shape: shape, Contents: &inference.InferTensorContents{Fp64Contents: values}},
	}}
}

// Hang answers nothing until the caller gives up.
func Hang(ctx context.Context, _ *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	<-ctx.Done()
	return nil, status.FromContextError(ctx.Err()).Err()
}

// Fail answers an internal error.
func Fail(context.Context, *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	return nil, status.Error(codes.Internal, "out of memory")
}
