package client

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// Error is a call that failed. Branch on Reason, or with errors.Is on the
// errors below; texts may change. errors.As finds it, and status.FromError the status it came from.
type Error struct {
	Code      codes.Code
	Reason    pb.ErrorReason    // unspecified if the failure is grpc's own, e.g. no connection
	Message   string            // for people
	Metadata  map[string]string // the values behind the message
	RequestID string            // finds the call in the server's log
	Fields    []Field           // of a bad request
	// Diagnostics of a refused bundle.
	Diagnostics []*pb.Diagnostic
	RetryAfter  time.Duration // when to come back; 0 if the server did not say

	status *status.Status
}

// Field is a field of a request that breaks a rule.
type Field struct{ Path, Problem string }

// Errors for errors.Is.
var (
	ErrInvalid         = errors.New("request is invalid")                         // a field is wrong: see Error.Fields
	ErrRequestIDReused = errors.New("request id was used with another body")      // REQUEST_ID_REUSED
	ErrNotFound        = errors.New("not found")                                  // any NOT_FOUND
	ErrErased          = errors.New("erased")                                     // ERASED
	ErrNoBundle        = errors.New("no bundle is active")                        // NO_BUNDLE
	ErrBundleRefused   = errors.New("bundle does not compile")                    // BUNDLE_REFUSED: see Error.Diagnostics
	ErrStale           = errors.New("active bundle is not the expected one")      // STALE_DIGEST
	ErrOverloaded      = errors.New("server is overloaded")                       // TOO_MANY_CALLS, LOG_OVERLOADED
	ErrUnavailable     = errors.New("server cannot be reached or does not serve") // any UNAVAILABLE
)

// Error implements error.
func (e *Error) Error() string {
	if e.Reason == pb.ErrorReason_ERROR_REASON_UNSPECIFIED {
		return e.Code.String() + ": " + e.Message
	}
	return e.Reason.String()[len("ERROR_REASON_"):] + ": " + e.Message
}

// GRPCStatus is the status the error came from.
func (e *Error) GRPCStatus() *status.Status { return e.status }

// Is makes errors.Is match the errors of this package and those of package context.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrInvalid:
		return e.Reason == pb.ErrorReason_ERROR_REASON_INVALID_FIELD
	case ErrRequestIDReused:
		return e.Reason == pb.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED
	case ErrNotFound:
		return e.Code == codes.NotFound
	case ErrErased:
		return e.Reason == pb.ErrorReason_ERROR_REASON_ERASED
	case ErrNoBundle:
		return e.Reason == pb.ErrorReason_ERROR_REASON_NO_BUNDLE
	case ErrBundleRefused:
		return e.Reason == pb.ErrorReason_ERROR_REASON_BUNDLE_REFUSED
	case ErrStale:
		return e.Reason == pb.ErrorReason_ERROR_REASON_STALE_DIGEST
	case ErrOverloaded:
		return e.Reason == pb.ErrorReason_ERROR_REASON_TOO_MANY_CALLS || e.Reason == pb.ErrorReason_ERROR_REASON_LOG_OVERLOADED
	case ErrUnavailable:
		return e.Code == codes.Unavailable
	case context.DeadlineExceeded:
		return e.Code == codes.DeadlineExceeded
	case context.Canceled:
		return e.Code == codes.Canceled
	}
	return false
}

// ReasonOf returns the reason of a failed call; unspecified if err is none.
func ReasonOf(err error) pb.ErrorReason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return pb.ErrorReason_ERROR_REASON_UNSPECIFIED
}

// typed turns a status into an *Error; other errors stay as they are.
func typed(err error) error {
	var already *Error
	if err == nil || errors.Is(err, io.EOF) || errors.As(err, &already) {
		return err
	}
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	e := &Error{Code: s.Code(), Message: s.Message(), status: s}
	for _, d := range s.Details() {
		e.addDetail(d)
	}
	return e
}

func (e *Error) addDetail(detail any) {
	switch d := detail.(type) {
	case *errdetails.ErrorInfo:
		e.Reason = pb.ErrorReason(pb.ErrorReason_value["ERROR_REASON_"+d.GetReason()])
		e.Metadata, e.RequestID = d.GetMetadata(), d.GetMetadata()["request_id"]
	case *errdetails.BadRequest:
		for _, v := range d.GetFieldViolations() {
			e.Fields = append(e.Fields, Field{v.GetField(), v.GetDescription()})
		}
	case *errdetails.RetryInfo:
		e.RetryAfter = d.GetRetryDelay().AsDuration()
	case *pb.ValidateBundleResponse:
		e.Diagnostics = d.GetDiagnostics()
	}
}

func typedUnary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return typed(invoke(ctx, method, req, reply, cc, opts...))
}

func typedStream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := open(ctx, desc, cc, method, opts...)
	if err != nil {
		return nil, typed(err)
	}
	return &stream{s}, nil
}

// stream is a stream whose errors are typed.
type stream struct{ grpc.ClientStream }

func (s *stream) SendMsg(m any) error { return typed(s.ClientStream.SendMsg(m)) }
func (s *stream) RecvMsg(m any) error { return typed(s.ClientStream.RecvMsg(m)) }
