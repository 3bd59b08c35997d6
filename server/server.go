package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/rebound-engine/rebound/internal/vtcodec"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// Server serves rebound.v1. It is made by New, opened by Listen and run once by Run.
type Server struct {
	cfg       Config
	log       *slog.Logger
	registry  *prometheus.Registry
	services  Services
	grpc      *grpc.Server // made by Run, for it starts goroutines
	health    *health.Server
	way       *middleware
	stopping  chan struct{} // closed when streams without an end of their own have to end
	stopOnce  sync.Once
	listeners []net.Listener
	metrics   net.Listener
}

// New builds a server that calls svc. Nothing is opened yet. Metrics are
// registered with registry; cmd adds its own there.
func New(cfg Config, svc Services, log *slog.Logger, registry *prometheus.Registry) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("server configuration: %w", err)
	}
	validate, err := newValidator()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: log, registry: registry, services: svc.orMissing(), health: health.NewServer(), stopping: make(chan struct{})}
	s.way = &middleware{cfg: &s.cfg, log: log, metrics: newCallMetrics(methods()), validate: validate}
	if err := registry.Register(s.way.metrics); err != nil {
		return nil, fmt.Errorf("register call metrics: %w", err)
	}
	return s, nil
}

// streamWorkers is how many goroutines serve one call after the other, with
// stacks that have grown already; more calls at a time start their own.
const streamWorkers = 64

func (s *Server) options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(vtcodec.NewReleasing()),
		grpc.UnaryInterceptor(s.way.unary),
		grpc.ChainStreamInterceptor(s.way.stream()...),
		grpc.MaxRecvMsgSize(s.cfg.MaxMessageBytes),
		grpc.MaxHeaderListSize(s.cfg.MaxHeaderBytes),
		grpc.MaxConcurrentStreams(s.cfg.MaxStreams),
		grpc.ConnectionTimeout(s.cfg.ConnectionTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: s.cfg.KeepaliveTime, Timeout: s.cfg.KeepaliveTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.WaitForHandlers(true),
	}
}

func (s *Server) register() {
	svc := s.services
	h := handlers{cfg: &s.cfg, way: s.way, stopping: s.stopping}
	decisions := &decisionServer{handlers: h, decisions: svc.Decisions}
	s.grpc.RegisterService(describeDecisions(decisions), decisions)
	s.grpc.RegisterService(&pb.EventService_ServiceDesc, &eventServer{handlers: h, events: svc.Events})
	s.grpc.RegisterService(&pb.ProfileService_ServiceDesc, &profileServer{handlers: h, profiles: svc.Profiles})
	s.grpc.RegisterService(&pb.JournalService_ServiceDesc, &journalServer{handlers: h, journal: svc.Journal})
	s.grpc.RegisterService(&pb.PolicyService_ServiceDesc, &policyServer{policies: svc.Policies})
	s.grpc.RegisterService(&pb.BudgetService_ServiceDesc, &budgetServer{budgets: svc.Budgets})
	s.grpc.RegisterService(&pb.ModelService_ServiceDesc, &modelServer{handlers: h, models: svc.Models})
	grpc_health_v1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
}

// Listen opens the configured listeners. On error none stays open.
func (s *Server) Listen(ctx context.Context) error {
	if err := s.listen(ctx); err != nil {
		return errors.Join(err, s.closeListeners())
	}
	return nil
}

// Add has Run serve a listener the caller has opened, e.g. one in memory. Call it before Run.
func (s *Server) Add(lis net.Listener) { s.listeners = append(s.listeners, lis) }

// Addr returns the TCP address the server listens on; nil if it listens on none.
func (s *Server) Addr() net.Addr {
	for _, l := range s.listeners {
		if l.Addr().Network() == "tcp" {
			return l.Addr()
		}
	}
	return nil
}

// MetricsAddr returns the address of the metrics server; nil if there is none.
func (s *Server) MetricsAddr() net.Addr {
	if s.metrics == nil {
		return nil
	}
	return s.metrics.Addr()
}

// Run serves until ctx is done or a listener fails, then drains: health turns
// NOT_SERVING, new calls are refused, calls under way have DrainTimeout to end.
func (s *Server) Run(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	s.grpc = grpc.NewServer(s.options()...)
	s.register()
	var wg sync.WaitGroup
	for _, lis := range s.listeners {
		wg.Go(func() {
			if err := s.grpc.Serve(gatherListener{lis}); err != nil {
				fail(fmt.Errorf("serve %s: %w", lis.Addr(), err))
			}
		})
	}
	stopMetrics := s.serveMetrics(&wg, fail)
	s.setHealth(grpc_health_v1.HealthCheckResponse_SERVING)
	<-ctx.Done()
	s.drain()
	stopMetrics()
	wg.Wait()
	return s.failed(ctx)
}

// failed returns why Run ended, nil if it was told to.
func (s *Server) failed(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return nil
}

func (s *Server) setHealth(status grpc_health_v1.HealthCheckResponse_ServingStatus) {
	s.health.SetServingStatus("", status)
	for _, d := range services() {
		s.health.SetServingStatus(string(d.FullName()), status)
	}
}

// drain ends serving in order: say so, refuse the new, let the old finish, cut what is left.
func (s *Server) drain() {
	s.health.Shutdown()
	s.way.draining.Store(true)
	s.stopOnce.Do(func() { close(s.stopping) })
	done := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(done)
	}()
	timer := time.NewTimer(s.cfg.DrainTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		s.log.Warn("calls cut off", slog.Duration("after", s.cfg.DrainTimeout))
		s.grpc.Stop()
		<-done
	}
}

// serveMetrics serves the metrics listener, if there is one, until the returned function is called.
func (s *Server) serveMetrics(wg *sync.WaitGroup, fail context.CancelCauseFunc) (stop func()) {
	if s.metrics == nil {
		return func() {}
	}
	web := &http.Server{Handler: s.metricsHandler(), ReadHeaderTimeout: 5 * time.Second}
	wg.Go(func() {
		if err := web.Serve(s.metrics); err != nil && !errors.Is(err, http.ErrServerClosed) {
			fail(fmt.Errorf("serve metrics: %w", err))
		}
	})
	return func() { _ = web.Close() } // scrapes under way may be cut
}
