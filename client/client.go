// Package client is the Go client of rebound.v1. It owns how to reach a server
// well: deadlines, keepalive, retries of calls that are safe to repeat, typed
// errors, and what a till does when no answer comes in time.
//
// It refuses to know how decisions are made: without a server it offers nothing.
package client

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/rebound-engine/rebound/internal/vtcodec"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// Client is a connection to a server, safe for concurrent use. The services
// are the generated clients; Decide adds the fallback. All their errors are *Error.
type Client struct {
	Decisions pb.DecisionServiceClient
	Events    pb.EventServiceClient
	Profiles  pb.ProfileServiceClient
	Journal   pb.JournalServiceClient
	Policies  pb.PolicyServiceClient
	Budgets   pb.BudgetServiceClient
	Models    pb.ModelServiceClient

	conn     *grpc.ClientConn
	fallback time.Duration
}

// Option changes how a client is dialled.
type Option func(*settings)

type settings struct {
	decideTimeout time.Duration
	timeout       time.Duration
	fallback      time.Duration
	attempts      int
	creds         credentials.TransportCredentials
	dial          []grpc.DialOption
}

// WithDecideTimeout sets how long Decide may take where the context has no earlier deadline; 250 ms by default.
func WithDecideTimeout(d time.Duration) Option { return func(s *settings) { s.decideTimeout = d } }

// WithTimeout sets how long every other unary call may take where the context has no earlier deadline; 10 s by default.
func WithTimeout(d time.Duration) Option { return func(s *settings) { s.timeout = d } }

// WithAttempts sets how often a call is tried in all, 1 to 5; 4 by default. Only UNAVAILABLE is tried again, and only
// within the call's deadline. Every unary call is safe to repeat: it reads, or its request or events carry ids.
func WithAttempts(n int) Option { return func(s *settings) { s.attempts = n } }

// WithFallback has Decide answer by itself when the server has not answered within budget, cannot be reached or is
// overloaded: NO_OFFER, marked as degraded. Decide then never takes longer than budget. The server may have
// decided all the same; asking again with the same request_id gives its answer.
func WithFallback(budget time.Duration) Option { return func(s *settings) { s.fallback = budget } }

// WithTransportCredentials secures the connection, e.g. to a TLS proxy in front of the server. Without it
// only loopback addresses and unix sockets can be dialled.
func WithTransportCredentials(c credentials.TransportCredentials) Option {
	return func(s *settings) { s.creds = c }
}

// WithDialOptions adds options of grpc-go; they come last and win.
func WithDialOptions(opts ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, opts...) }
}

// Dial prepares a client of target: host:port or unix:PATH. It connects with the first call, and again whenever the
// connection is lost.
func Dial(target string, opts ...Option) (*Client, error) {
	s := settings{decideTimeout: 250 * time.Millisecond, timeout: 10 * time.Second, attempts: 4}
	for _, o := range opts {
		o(&s)
	}
	if err := s.validate(target); err != nil {
		return nil, fmt.Errorf("dial %q: %w", target, err)
	}
	conn, err := grpc.NewClient(target, s.options()...)
	if err != nil {
		return nil, fmt.Errorf("dial %q: %w", target, err)
	}
	return &Client{
		Decisions: pb.NewDecisionServiceClient(conn), Events: pb.NewEventServiceClient(conn), Profiles: pb.NewProfileServiceClient(conn),
		Journal: pb.NewJournalServiceClient(conn), Policies: pb.NewPolicyServiceClient(conn), Budgets: pb.NewBudgetServiceClient(conn), Models: pb.NewModelServiceClient(conn),
		conn: conn, fallback: s.fallback,
	}, nil
}

func (s *settings) validate(target string) error {
	switch {
	case s.decideTimeout <= 0 || s.timeout <= 0:
		return fmt.Errorf("timeouts must be positive, not %v and %v", s.decideTimeout, s.timeout)
	case s.fallback < 0:
		return fmt.Errorf("fallback budget must not be negative: %v", s.fallback)
	case s.attempts < 1 || s.attempts > 5:
		return fmt.Errorf("attempts must be 1 to 5, not %d", s.attempts)
	case s.creds == nil && !local(target):
		return fmt.Errorf("it may leave this machine, and the connection would be readable on the way; use WithTransportCredentials")
	}
	return nil
}

// local tells whether a target cannot leave the machine.
func local(target string) bool {
	if strings.HasPrefix(target, "unix:") || strings.HasPrefix(target, "passthrough:") {
		return true // passthrough: the caller's own dialer
	}
	host, _, err := net.SplitHostPort(target)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (s *settings) options() []grpc.DialOption {
	creds := s.creds
	if creds == nil {
		creds = insecure.NewCredentials()
	}
	return append([]grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultServiceConfig(s.serviceConfig()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(vtcodec.New()), grpc.MaxCallRecvMsgSize(16<<20)), // 16 MiB
		grpc.WithConnectParams(reconnect()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second, PermitWithoutStream: true}),
		grpc.WithChainUnaryInterceptor(typedUnary),
		grpc.WithChainStreamInterceptor(typedStream),
	}, s.dial...)
}

// reconnect finds a server that was away within seconds, where gRPC's default may take two minutes.
func reconnect() grpc.ConnectParams {
	return grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 4 * time.Second},
		MinConnectTimeout: 5 * time.Second,
	}
}

// Close ends the connection; calls under way fail.
func (c *Client) Close() error { return c.conn.Close() }

// Conn is the connection, for services this client has no field for.
func (c *Client) Conn() grpc.ClientConnInterface { return c.conn }

// Decide asks for a decision. Errors are *Error; with WithFallback those that mean "no answer in time" become an answer.
func (c *Client) Decide(ctx context.Context, req *pb.DecideRequest) (*pb.DecideResponse, error) {
	if c.fallback == 0 {
		return c.Decisions.Decide(ctx, req)
	}
	within, cancel := context.WithTimeout(ctx, c.fallback)
	defer cancel()
	resp, err := c.Decisions.Decide(within, req)
	if err == nil || ctx.Err() != nil || !noAnswer(err) {
		return resp, err
	}
	return degraded(req, err), nil
}
