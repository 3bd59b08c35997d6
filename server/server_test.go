package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/rebound-engine/rebound/engine"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/server"
	"github.com/rebound-engine/rebound/server/servertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// syncBuffer is a log that can be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestOverloadIsRefusedAtOnce(t *testing.T) {
	gate, entered := make(chan struct{}), make(chan struct{}, 2)
	c := start(t, func(context.Context, *engine.Request) (*engine.Decision, error) {
		entered <- struct{}{}
		<-gate
		return sampleDecision(), nil
	}, servertest.WithConfig(func(cfg *server.Config) { cfg.MaxCalls, cfg.RetryDelay = 2, 70*time.Millisecond }))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := c.Decide(testContext(t), request()); err != nil {
				t.Error(err)
			}
		})
	}
	<-entered
	<-entered
	_, err := c.Decide(testContext(t), request())
	s := wantError(t, err, codes.ResourceExhausted, pb.ErrorReason_ERROR_REASON_TOO_MANY_CALLS)
	if r := detail[*errdetails.RetryInfo](s); r.GetRetryDelay().AsDuration() != 70*time.Millisecond {
		t.Errorf("retry info is %v", r)
	}
	close(gate)
	wg.Wait()
	if _, err := c.Decide(testContext(t), request()); err != nil {
		t.Errorf("after the load: %v", err)
	}
}

func TestPanicEndsOneCall(t *testing.T) {
	log := new(syncBuffer)
	c := start(t, func(context.Context, *engine.Request) (*engine.Decision, error) { panic("a bug") },
		servertest.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	for range 2 {
		_, err := c.Decide(testContext(t), request())
		wantError(t, err, codes.Internal, pb.ErrorReason_ERROR_REASON_INTERNAL)
	}
	if !strings.Contains(log.String(), "a bug") || !strings.Contains(log.String(), "request_id=q-1") {
		t.Errorf("log is %s", log)
	}
}

func TestCauseStaysInTheLog(t *testing.T) {
	log := new(syncBuffer)
	c := start(t, func(context.Context, *engine.Request) (*engine.Decision, error) {
		return nil, errors.New("disk on fire")
	},
		servertest.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	ctx := metadata.AppendToOutgoingContext(testContext(t), "x-request-id", "trace-5")
	_, err := c.Decide(ctx, request())
	s := wantError(t, err, codes.Internal, pb.ErrorReason_ERROR_REASON_INTERNAL)
	if strings.Contains(s.Message(), "fire") {
		t.Errorf("message tells the cause: %s", s.Message())
	}
	if id := detail[*errdetails.ErrorInfo](s).GetMetadata()["request_id"]; id != "trace-5" {
		t.Errorf("request id is %q", id)
	}
	if got := log.String(); !strings.Contains(got, "disk on fire") || !strings.Contains(got, "request_id=trace-5") {
		t.Errorf("log is %s", got)
	}
}

func TestAccessLogNamesNobody(t *testing.T) {
	log := new(syncBuffer)
	c := start(t, sample, servertest.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	if _, err := c.Decide(testContext(t), request(func(m *pb.DecideRequest) { m.CustomerIds[0].Value = "jane@example.org" })); err != nil {
		t.Fatal(err)
	}
	got := log.String()
	for _, want := range []string{"msg=call", "method=/rebound.v1.DecisionService/Decide", "code=OK", "request_id=q-1", "micros="} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	for _, secret := range []string{"jane", "shoe-42", "a-9", "o-1"} {
		if strings.Contains(got, secret) {
			t.Errorf("%q is in the access log: %s", secret, got)
		}
	}
}

func TestHealthReflectionAndMissingServices(t *testing.T) {
	s := servertest.Start(t, server.Services{})
	ctx := testContext(t)
	for _, name := range []string{"", "rebound.v1.DecisionService"} {
		h, err := grpc_health_v1.NewHealthClient(s.Conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: name}, grpc.WaitForReady(true))
		if err != nil || h.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("health of %q is %v, %v", name, h, err)
		}
	}
	stream, err := grpc_reflection_v1.NewServerReflectionClient(s.Conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ask := &grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "rebound.v1.DecisionService"}}
	if err := stream.Send(ask); err != nil {
		t.Fatal(err)
	}
	if m, err := stream.Recv(); err != nil || m.GetFileDescriptorResponse() == nil {
		t.Errorf("reflection answers %v, %v", m, err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	_, err = pb.NewBudgetServiceClient(s.Conn).ListBudgets(ctx, &pb.ListBudgetsRequest{})
	wantError(t, err, codes.Unimplemented, pb.ErrorReason_ERROR_REASON_NOT_OFFERED)
}

// TestMessageTooLarge: gRPC refuses it before any of our code has seen it.
func TestMessageTooLarge(t *testing.T) {
	c := start(t, sample, servertest.WithConfig(func(cfg *server.Config) { cfg.MaxMessageBytes = 4096 }))
	_, err := c.Decide(testContext(t), request(func(m *pb.DecideRequest) { m.RequestId = strings.Repeat("x", 8192) }))
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("error is %v", err)
	}
}

func TestDrainLetsCallsFinish(t *testing.T) {
	gate, entered := make(chan struct{}), make(chan struct{})
	s := servertest.Start(t, server.Services{Decisions: &decider{func(context.Context, *engine.Request) (*engine.Decision, error) {
		close(entered)
		<-gate
		return sampleDecision(), nil
	}}})
	c := pb.NewDecisionServiceClient(s.Conn)
	answered := make(chan error, 1)
	go func() {
		_, err := c.Decide(testContext(t), request())
		answered <- err
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown() }()
	time.Sleep(20 * time.Millisecond) // let the drain begin
	close(gate)
	if err := <-answered; err != nil {
		t.Errorf("call under way: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Decide(ctx, request()); err == nil {
		t.Error("a stopped server decided")
	}
}

// runServer runs a server on real listeners and returns it with a function that stops it.
func runServer(t *testing.T, edit func(*server.Config)) (*server.Server, func() error) {
	t.Helper()
	cfg := server.DefaultConfig()
	cfg.Address, cfg.MetricsAddress = "", ""
	edit(&cfg)
	s, err := server.New(cfg, server.Services{Decisions: &decider{sample}}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop := sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = stop() })
	return s, stop
}

func TestSocketAndMetrics(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.sock")
	s, stop := runServer(t, func(cfg *server.Config) {
		cfg.Address, cfg.Socket, cfg.MetricsAddress = "localhost:0", path, "127.0.0.1:0"
	})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket is %v, %v; want mode 0600", info, err)
	}
	for _, target := range []string{"unix:" + path, s.Addr().String()} {
		conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pb.NewDecisionServiceClient(conn).Decide(testContext(t), request()); err != nil {
			t.Errorf("over %s: %v", target, err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	text := get(t, "http://"+s.MetricsAddr().String()+"/metrics")
	for _, want := range []string{
		`rebound_calls_total{code="OK",method="/rebound.v1.DecisionService/Decide"} 2`,
		`rebound_call_seconds_count{method="/rebound.v1.DecisionService/Decide"} 2`,
		`rebound_call_seconds_bucket{method="/rebound.v1.DecisionService/Decide",le="10"} 2`,
		"rebound_calls_in_flight 0",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	get(t, "http://"+s.MetricsAddr().String()+"/readyz")
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s answers %s, %v", url, resp.Status, err)
	}
	return string(b)
}

func TestSocketOfAStoppedServerIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.sock")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	cfg := server.DefaultConfig()
	cfg.Address, cfg.MetricsAddress, cfg.Socket = "", "", path
	s, err := server.New(cfg, server.Services{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), "another process listens") {
		t.Errorf("a socket in use: %v", err)
	}
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	_, stop := runServer(t, func(cfg *server.Config) { cfg.Socket = path })
	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file: %v", err)
	}
}

func TestConfigRefusesTheWorld(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:7420", ":7420", "192.0.2.1:7420", "[::]:7420", "example.org:7420"} {
		cfg := server.DefaultConfig()
		cfg.Address = addr
		var refused *server.NotLoopbackError
		if err := cfg.Validate(); !errors.As(err, &refused) || refused.Address != addr {
			t.Errorf("%s: %v", addr, err)
		}
	}
	for _, addr := range []string{"", "127.0.0.1:0", "[::1]:7420", "localhost:7420"} {
		cfg := server.DefaultConfig()
		cfg.Address = addr
		if err := cfg.Validate(); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
	cfg := server.DefaultConfig()
	cfg.MaxCalls, cfg.MaxDeadline, cfg.MetricsAddress = 0, -1, "nonsense"
	err := cfg.Validate()
	for _, name := range []string{"max_calls", "max_deadline", "metrics_address"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("no %s in %v", name, err)
		}
	}
}
