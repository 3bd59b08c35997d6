package client_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/rebound-engine/rebound/client"
	"github.com/rebound-engine/rebound/client/clienttest"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func dial(t *testing.T, decide clienttest.Decide, opts ...client.Option) (*client.Client, *clienttest.Fake) {
	t.Helper()
	fake := clienttest.New(decide)
	t.Cleanup(fake.Close)
	c, err := fake.Client(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, fake
}

func ask(id string) *pb.DecideRequest { return &pb.DecideRequest{RequestId: id} }

func TestRetriesWhatWasUnavailable(t *testing.T) {
	var tries atomic.Int32
	c, fake := dial(t, func(*pb.DecideRequest) (*pb.DecideResponse, error) {
		if tries.Add(1) < 3 {
			return nil, status.Error(codes.Unavailable, "restarting")
		}
		return &pb.DecideResponse{Outcome: pb.Outcome_OUTCOME_NO_OFFER}, nil
	}, client.WithDecideTimeout(time.Minute))
	if _, err := c.Decide(t.Context(), ask("a")); err != nil {
		t.Fatal(err)
	}
	if n := len(fake.Requests()); n != 3 {
		t.Errorf("asked %d times, want 3", n)
	}
	fake.Answer(clienttest.Fail(codes.Internal, pb.ErrorReason_ERROR_REASON_INTERNAL, "a bug"))
	if _, err := c.Decide(t.Context(), ask("b")); client.ReasonOf(err) != pb.ErrorReason_ERROR_REASON_INTERNAL {
		t.Errorf("error is %v", err)
	}
	if n := len(fake.Requests()); n != 4 {
		t.Errorf("an internal error was tried again: asked %d times in all, want 4", n)
	}
}

// TestReconnects: a server that was away for ten minutes is found within six seconds.
func TestReconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lis, empty := bufconn.Listen(1<<16), grpc.NewServer() // 64 KiB; no service: UNIMPLEMENTED says that it was reached
		go func() { _ = empty.Serve(lis) }()
		defer empty.Stop()
		back := time.Now().Add(10 * time.Minute)
		dialer := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			if time.Now().Before(back) {
				return nil, errors.New("nobody listens")
			}
			return lis.DialContext(ctx)
		})
		c, err := client.Dial("passthrough:///away", client.WithDialOptions(dialer), client.WithAttempts(1))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for {
			_, err := c.Decide(t.Context(), ask("a"))
			if status.Code(err) == codes.Unimplemented {
				break
			}
			if away := time.Since(back); away > 6*time.Second {
				t.Fatalf("after %s: %v", away, err)
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}

func TestDefaultDeadline(t *testing.T) {
	gate := make(chan struct{})
	c, _ := dial(t, func(*pb.DecideRequest) (*pb.DecideResponse, error) {
		<-gate
		return nil, status.Error(codes.Internal, "too late")
	}, client.WithDecideTimeout(30*time.Millisecond))
	defer close(gate)
	_, err := c.Decide(t.Context(), ask("a"))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v, want the deadline", err)
	}
}

// TestFallback: where the server hangs, only the fallback's budget ends the wait.
func TestFallback(t *testing.T) {
	gate := make(chan struct{})
	hang := func(*pb.DecideRequest) (*pb.DecideResponse, error) {
		<-gate
		return nil, status.Error(codes.Internal, "too late")
	}
	for name, decide := range map[string]clienttest.Decide{
		"no answer in time": hang,
		"unavailable":       clienttest.Fail(codes.Unavailable, pb.ErrorReason_ERROR_REASON_NOT_SERVING, "draining"),
		"overloaded":        clienttest.Fail(codes.ResourceExhausted, pb.ErrorReason_ERROR_REASON_TOO_MANY_CALLS, "busy"),
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := dial(t, decide, client.WithFallback(30*time.Millisecond), client.WithDecideTimeout(time.Hour))
			d, err := c.Decide(t.Context(), ask("q"))
			if err != nil || d.GetOutcome() != pb.Outcome_OUTCOME_NO_OFFER || !client.Local(d) || d.GetRequestId() != "q" {
				t.Errorf("answer is %v, %v", d, err)
			}
		})
	}
	close(gate)
}

func TestFallbackHidesNoMistake(t *testing.T) {
	c, _ := dial(t, clienttest.Fail(codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_INVALID_FIELD, "channel: wrong"), client.WithFallback(time.Minute))
	if _, err := c.Decide(t.Context(), ask("a")); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("a bad request: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Decide(ctx, ask("b")); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who went away: %v", err)
	}
}

func TestFallbackPassesAnswersOn(t *testing.T) {
	c, _ := dial(t, clienttest.Always(&pb.Offer{OfferId: "pct-10"}), client.WithFallback(time.Minute))
	d, err := c.Decide(t.Context(), ask("a"))
	if err != nil || d.GetOffer().GetOfferId() != "pct-10" || client.Degraded(d) {
		t.Errorf("answer is %v, %v", d, err)
	}
}

func TestErrorsCompare(t *testing.T) {
	for _, tc := range []struct {
		code   codes.Code
		reason pb.ErrorReason
		is     error
	}{
		{codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_INVALID_FIELD, client.ErrInvalid},
		{codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED, client.ErrRequestIDReused},
		{codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_BUNDLE_REFUSED, client.ErrBundleRefused},
		{codes.NotFound, pb.ErrorReason_ERROR_REASON_DECISION_NOT_FOUND, client.ErrNotFound},
		{codes.NotFound, pb.ErrorReason_ERROR_REASON_ERASED, client.ErrErased},
		{codes.FailedPrecondition, pb.ErrorReason_ERROR_REASON_NO_BUNDLE, client.ErrNoBundle},
		{codes.Aborted, pb.ErrorReason_ERROR_REASON_STALE_DIGEST, client.ErrStale},
		{codes.ResourceExhausted, pb.ErrorReason_ERROR_REASON_TOO_MANY_CALLS, client.ErrOverloaded},
		{codes.Unavailable, pb.ErrorReason_ERROR_REASON_LOG_OVERLOADED, client.ErrUnavailable},
	} {
		t.Run(tc.reason.String(), func(t *testing.T) {
			c, _ := dial(t, clienttest.Fail(tc.code, tc.reason, "why"), client.WithAttempts(1))
			_, err := c.Decide(t.Context(), ask("a"))
			var e *client.Error
			if !errors.As(err, &e) || e.Code != tc.code || e.Reason != tc.reason || !errors.Is(err, tc.is) {
				t.Errorf("error is %#v", err)
			}
			if errors.Is(err, client.ErrNotFound) != (tc.code == codes.NotFound) {
				t.Errorf("errors.Is(%v, ErrNotFound) is wrong", err)
			}
			if status.Code(err) != tc.code || !strings.Contains(err.Error(), "why") {
				t.Errorf("status %v, text %q", status.Code(err), err)
			}
		})
	}
}

func TestDialRefusesUnprotectedHosts(t *testing.T) {
	for target, ok := range map[string]bool{
		"127.0.0.1:7420": true, "[::1]:7420": true, "localhost:7420": true, "unix:/run/r.sock": true,
		"192.0.2.1:7420": false, "rebound.example.org:7420": false, "dns:///rebound.example.org:7420": false, "nonsense": false,
	} {
		c, err := client.Dial(target)
		if (err == nil) != ok {
			t.Errorf("%s: %v", target, err)
		}
		if c != nil {
			_ = c.Close()
		}
	}
	c, err := client.Dial("rebound.example.org:7420", client.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	for _, bad := range []client.Option{client.WithAttempts(9), client.WithTimeout(-1), client.WithFallback(-1)} {
		if _, err := client.Dial("127.0.0.1:1", bad); err == nil {
			t.Error("a bad option was taken")
		}
	}
}

// TestEveryUnaryMethodHasADeadline keeps the list of methods in step with the protos.
func TestEveryUnaryMethodHasADeadline(t *testing.T) {
	c, _ := dial(t, nil)
	conn, ok := c.Conn().(*grpc.ClientConn)
	if !ok {
		t.Fatalf("connection is a %T", c.Conn())
	}
	if _, err := c.Decide(t.Context(), ask("connects")); err != nil {
		t.Fatal(err)
	}
	for _, f := range []protoreflect.FileDescriptor{
		pb.File_rebound_v1_budget_proto, pb.File_rebound_v1_decision_proto, pb.File_rebound_v1_event_proto,
		pb.File_rebound_v1_journal_proto, pb.File_rebound_v1_policy_proto, pb.File_rebound_v1_profile_proto,
	} {
		s := f.Services().Get(0)
		for i := range s.Methods().Len() {
			m := s.Methods().Get(i)
			mc := conn.GetMethodConfig("/" + string(s.FullName()) + "/" + string(m.Name()))
			streams := m.IsStreamingClient() || m.IsStreamingServer()
			if timed := mc.Timeout != nil && mc.RetryPolicy != nil; timed == streams {
				t.Errorf("%s: deadline and retries %v, streaming %v", m.FullName(), timed, streams)
			}
		}
	}
}
