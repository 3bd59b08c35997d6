package server

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// requestIDKey is the metadata a caller may name its call by.
const requestIDKey = "x-request-id"

// maxRequestID bounds what a caller may write into our log.
const maxRequestID = 128

// middleware is what the interceptors of one server share.
type middleware struct {
	cfg      *Config
	log      *slog.Logger
	metrics  *callMetrics
	validate *validator
	draining atomic.Bool
}

// unary is the way in of every unary call: it is named and timed, counted and logged, and its panic is one bad
// call's alone. One interceptor and one context for it all: a chain would allocate for every link.
func (m *middleware) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	call := &callContext{ctx, callID(ctx, req)}
	defer func() {
		if p := recover(); p != nil {
			resp, err = nil, m.recovered(call, info.FullMethod, call.id, p)
		}
	}()
	start := time.Now()
	if resp, err = m.admitted(call, req, info.FullMethod, next); err != nil {
		resp, err = nil, m.mapped(call, info.FullMethod, err)
	}
	m.ended(call, info.FullMethod, err, time.Since(start))
	return resp, err
}

// ended counts and logs a call.
func (m *middleware) ended(ctx context.Context, method string, err error, took time.Duration) {
	m.access(ctx, method, err, took)
	m.metrics.method(method).observe(status.Code(err), took)
}

// admitted answers a call within the limits of this server, if it breaks no rule.
func (m *middleware) admitted(ctx context.Context, req any, method string, next grpc.UnaryHandler) (any, error) {
	if err := m.admit(method); err != nil {
		return nil, err
	}
	defer m.leave(method)
	if d, ok := ctx.Deadline(); !ok || time.Until(d) > m.cfg.MaxDeadline { // every call has an end
		limited, cancel := context.WithTimeout(ctx, m.cfg.MaxDeadline)
		defer cancel()
		ctx = limited
	}
	if err := m.validate.check(req); err != nil {
		return nil, err
	}
	return next(ctx, req)
}

// stream is the way in of every streaming call. A stream has no deadline of ours: it lives until one side ends it.
func (m *middleware) stream() []grpc.StreamServerInterceptor {
	return []grpc.StreamServerInterceptor{
		m.recoverStream,
		m.requestIDStream,
		m.endedStream,
		m.statusStream,
		m.limitStream,
		m.validateStream,
	}
}

// recoverStream turns a panic into an internal error: one bad call must not end the others.
func (m *middleware) recoverStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = m.recovered(ss.Context(), info.FullMethod, callID(ss.Context(), nil), p)
		}
	}()
	return next(srv, ss)
}

func (m *middleware) recovered(ctx context.Context, method, id string, p any) error {
	err := &panicError{p, debug.Stack()}
	m.metrics.method(method).observe(codes.Internal, 0)
	m.log.LogAttrs(ctx, slog.LevelError, "handler panicked", slog.String("method", method), slog.String("request_id", id),
		slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(err.stack)))
	return toStatus(err, id, m.cfg.RetryDelay)
}

type requestIDContext struct{}

// callContext is the context of a call, with its request id.
type callContext struct {
	context.Context
	id string
}

// Value implements context.Context.
func (c *callContext) Value(key any) any {
	if key == (requestIDContext{}) {
		return c.id
	}
	return c.Context.Value(key)
}

// RequestID returns the request id of the call ctx belongs to; empty outside of a call.
func RequestID(ctx context.Context) string {
	if c, ok := ctx.(*callContext); ok {
		return c.id
	}
	id, _ := ctx.Value(requestIDContext{}).(string)
	return id
}

func (m *middleware) requestIDStream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return next(srv, &contextStream{ss, &callContext{ss.Context(), callID(ss.Context(), nil)}})
}

// callID names a call: by the caller's metadata, else by the message's own request id, else by chance.
func callID(ctx context.Context, req any) string {
	if id := RequestID(ctx); id != "" {
		return id
	}
	if v := metadata.ValueFromIncomingContext(ctx, requestIDKey); len(v) > 0 && v[0] != "" {
		return clip(v[0])
	}
	if r, ok := req.(interface{ GetRequestId() string }); ok && r.GetRequestId() != "" {
		return clip(r.GetRequestId())
	}
	return fmt.Sprintf("%016x", rand.Uint64())
}

func clip(id string) string {
	return strings.ToValidUTF8(id[:min(len(id), maxRequestID)], "")
}

// contextStream is a stream with another context.
type contextStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *contextStream) Context() context.Context { return s.ctx }

func (m *middleware) endedStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	start := time.Now()
	err := next(srv, ss)
	m.ended(ss.Context(), info.FullMethod, err, time.Since(start))
	return err
}

// access writes one line per call: ids and figures, never what is in a profile. It goes to the handler directly,
// for the logger would look up who calls it.
func (m *middleware) access(ctx context.Context, method string, err error, took time.Duration) {
	if !m.log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	line := slog.NewRecord(time.Now(), slog.LevelInfo, "call", 0)
	line.AddAttrs(slog.String("method", method), slog.String("request_id", RequestID(ctx)),
		slog.String("code", status.Code(err).String()), slog.Int64("micros", took.Microseconds()))
	_ = m.log.Handler().Handle(ctx, line) // as a logger does: there is nowhere else to say it
}

func (m *middleware) statusStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return m.mapped(ss.Context(), info.FullMethod, next(srv, ss))
}

// mapped is the status of a domain error; nothing inside of it makes one. The cause of what is our fault is logged here, once.
func (m *middleware) mapped(ctx context.Context, method string, err error) error {
	s := toStatus(err, RequestID(ctx), m.cfg.RetryDelay)
	if status.Code(s) == codes.Internal {
		m.log.LogAttrs(ctx, slog.LevelError, "call failed", slog.String("method", method),
			slog.String("request_id", RequestID(ctx)), slog.Any("error", err))
	}
	return s
}

func (m *middleware) limitStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if err := m.admit(info.FullMethod); err != nil {
		return err
	}
	defer m.leave(info.FullMethod)
	return next(srv, ss)
}

// admit counts a call in, or refuses at once what would only wait: while draining,
// and above MaxCalls. Health and reflection are always let in.
func (m *middleware) admit(method string) error {
	if unlimited(method) {
		return nil
	}
	if m.draining.Load() {
		return &drainingError{m.cfg.RetryDelay}
	}
	if n := m.metrics.inFlight.Add(1); n > int64(m.cfg.MaxCalls) {
		m.metrics.inFlight.Add(-1)
		return &overloadError{m.cfg.MaxCalls, m.cfg.RetryDelay}
	}
	return nil
}

// leave counts a call out that was admitted.
func (m *middleware) leave(method string) {
	if !unlimited(method) {
		m.metrics.inFlight.Add(-1)
	}
}

func unlimited(method string) bool { return strings.HasPrefix(method, "/grpc.") }

func (m *middleware) validateStream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return next(srv, &validatedStream{ss, m.validate})
}

// validatedStream checks every message it receives, save those of StreamDecide:
// there a message that breaks a rule fails alone, and the handler checks it.
type validatedStream struct {
	grpc.ServerStream
	validate *validator
}

func (s *validatedStream) RecvMsg(msg any) error {
	if err := s.ServerStream.RecvMsg(msg); err != nil {
		return err
	}
	if _, own := msg.(*pb.StreamDecideRequest); own {
		return nil
	}
	return s.validate.check(msg)
}
