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

// unary is the way in of every unary call, outermost first.
func (m *middleware) unary() []grpc.UnaryServerInterceptor {
	return []grpc.UnaryServerInterceptor{
		m.recoverUnary,
		m.requestIDUnary,
		m.metricsUnary,
		m.accessUnary,
		m.statusUnary,
		m.limitUnary,
		m.deadlineUnary,
		m.validateUnary,
	}
}

// stream is the way in of every streaming call. A stream has no deadline of ours: it lives until one side ends it.
func (m *middleware) stream() []grpc.StreamServerInterceptor {
	return []grpc.StreamServerInterceptor{
		m.recoverStream,
		m.requestIDStream,
		m.metricsStream,
		m.accessStream,
		m.statusStream,
		m.limitStream,
		m.validateStream,
	}
}

// recoverUnary turns a panic into an internal error: one bad call must not end the others.
func (m *middleware) recoverUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	defer func() {
		if p := recover(); p != nil {
			resp, err = nil, m.recovered(ctx, info.FullMethod, callID(ctx, req), p)
		}
	}()
	return next(ctx, req)
}

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

// RequestID returns the request id of the call ctx belongs to; empty outside of a call.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDContext{}).(string)
	return id
}

func (m *middleware) requestIDUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	return next(context.WithValue(ctx, requestIDContext{}, callID(ctx, req)), req)
}

func (m *middleware) requestIDStream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	ctx := context.WithValue(ss.Context(), requestIDContext{}, callID(ss.Context(), nil))
	return next(srv, &contextStream{ss, ctx})
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

func (m *middleware) metricsUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	start := time.Now()
	resp, err := next(ctx, req)
	m.metrics.method(info.FullMethod).observe(status.Code(err), time.Since(start))
	return resp, err
}

func (m *middleware) metricsStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	start := time.Now()
	err := next(srv, ss)
	m.metrics.method(info.FullMethod).observe(status.Code(err), time.Since(start))
	return err
}

// accessUnary writes one line per call: ids and figures, never what is in a profile.
func (m *middleware) accessUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if !m.log.Enabled(ctx, slog.LevelInfo) {
		return next(ctx, req)
	}
	start := time.Now()
	resp, err := next(ctx, req)
	m.access(ctx, info.FullMethod, err, time.Since(start))
	return resp, err
}

func (m *middleware) accessStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	start := time.Now()
	err := next(srv, ss)
	m.access(ss.Context(), info.FullMethod, err, time.Since(start))
	return err
}

func (m *middleware) access(ctx context.Context, method string, err error, took time.Duration) {
	m.log.LogAttrs(ctx, slog.LevelInfo, "call", slog.String("method", method), slog.String("request_id", RequestID(ctx)),
		slog.String("code", status.Code(err).String()), slog.Int64("micros", took.Microseconds()))
}

// statusUnary maps domain errors to statuses; nothing inside of it makes one. The cause of what is our fault is logged here, once.
func (m *middleware) statusUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	resp, err := next(ctx, req)
	if err != nil {
		return nil, m.mapped(ctx, info.FullMethod, err)
	}
	return resp, nil
}

func (m *middleware) statusStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return m.mapped(ss.Context(), info.FullMethod, next(srv, ss))
}

func (m *middleware) mapped(ctx context.Context, method string, err error) error {
	s := toStatus(err, RequestID(ctx), m.cfg.RetryDelay)
	if status.Code(s) == codes.Internal {
		m.log.LogAttrs(ctx, slog.LevelError, "call failed", slog.String("method", method),
			slog.String("request_id", RequestID(ctx)), slog.Any("error", err))
	}
	return s
}

// limitUnary refuses at once what would only wait: while draining, and above MaxCalls.
func (m *middleware) limitUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	release, err := m.admit(info.FullMethod)
	if err != nil {
		return nil, err
	}
	defer release()
	return next(ctx, req)
}

func (m *middleware) limitStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	release, err := m.admit(info.FullMethod)
	if err != nil {
		return err
	}
	defer release()
	return next(srv, ss)
}

// admit counts a call in. Health and reflection are always let in.
func (m *middleware) admit(method string) (release func(), err error) {
	if strings.HasPrefix(method, "/grpc.") {
		return func() {}, nil
	}
	if m.draining.Load() {
		return nil, &drainingError{m.cfg.RetryDelay}
	}
	if n := m.metrics.inFlight.Add(1); n > int64(m.cfg.MaxCalls) {
		m.metrics.inFlight.Add(-1)
		return nil, &overloadError{m.cfg.MaxCalls, m.cfg.RetryDelay}
	}
	return m.metrics.leave, nil
}

// deadlineUnary gives every call an end.
func (m *middleware) deadlineUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if d, ok := ctx.Deadline(); ok && time.Until(d) <= m.cfg.MaxDeadline {
		return next(ctx, req)
	}
	ctx, cancel := context.WithTimeout(ctx, m.cfg.MaxDeadline)
	defer cancel()
	return next(ctx, req)
}

func (m *middleware) validateUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if err := m.validate.check(req); err != nil {
		return nil, err
	}
	return next(ctx, req)
}

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
