// Package servertest runs a real server in memory for tests: the same
// interceptors, codec and limits as on a socket, without one.
//
// It refuses to know what the services do: a test hands over the implementations.
package servertest

import (
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/rebound-engine/rebound/internal/vtcodec"
	"github.com/rebound-engine/rebound/server"
)

// Server is a running server and one connection to it.
type Server struct {
	Conn     *grpc.ClientConn
	Registry *prometheus.Registry
	lis      *bufconn.Listener
	stop     func() error
}

// Option changes how a server is run.
type Option func(*setup)

type setup struct {
	cfg server.Config
	log *slog.Logger
}

// WithConfig edits the configuration, which starts from DefaultConfig without listeners.
func WithConfig(edit func(*server.Config)) Option { return func(s *setup) { edit(&s.cfg) } }

// WithLogger has the server log somewhere; otherwise it logs nowhere, but at every level.
func WithLogger(log *slog.Logger) Option { return func(s *setup) { s.log = log } }

// Start runs a server of svc until the test ends.
func Start(tb testing.TB, svc server.Services, opts ...Option) *Server {
	tb.Helper()
	s, err := Run(svc, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("close test server: %v", err)
		}
	})
	return s
}

// Run runs a server of svc until Close; for programs and examples without a testing.TB.
func Run(svc server.Services, opts ...Option) (*Server, error) {
	set := setup{cfg: server.DefaultConfig(), log: slog.New(slog.NewJSONHandler(io.Discard, nil))} //nolint:sloglint // it formats what DiscardHandler skips
	set.cfg.Address, set.cfg.MetricsAddress = "", ""
	set.cfg.DrainTimeout = 2 * time.Second
	for _, o := range opts {
		o(&set)
	}
	s := &Server{Registry: prometheus.NewRegistry(), lis: bufconn.Listen(1 << 20)} // 1 MiB
	srv, err := server.New(set.cfg, svc, set.log, s.Registry)
	if err != nil {
		return nil, err
	}
	srv.Add(s.lis)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	s.stop = func() error {
		cancel()
		return <-ended
	}
	s.Conn, err = s.Dial()
	return s, err
}

// Dial opens another connection to the server.
func (s *Server) Dial(opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///memory", append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(s.Dialer()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(vtcodec.New())),
	}, opts...)...)
}

// Dialer connects to the server, for clients that make their own connection.
func (s *Server) Dialer() func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, _ string) (net.Conn, error) { return s.lis.DialContext(ctx) }
}

// Shutdown drains the server and returns when it has stopped. The connection stays open.
func (s *Server) Shutdown() error {
	stop := s.stop
	s.stop = func() error { return nil }
	return stop()
}

// Close ends the connection and the server.
func (s *Server) Close() error {
	if err := s.Conn.Close(); err != nil {
		return err
	}
	return s.Shutdown()
}
