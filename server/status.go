package server

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/store"
)

// Domain is the domain of every ErrorInfo.
const Domain = "rebound"

// failure is a domain error on its way to the wire.
type failure struct {
	code     codes.Code
	reason   pb.ErrorReason
	message  string
	metadata map[string]string
	details  []protoadapt.MessageV1
}

// sentinel maps an error the domain packages declare. Order decides where one error wraps several.
type sentinel struct {
	err    error
	code   codes.Code
	reason pb.ErrorReason
}

var sentinels = []sentinel{
	{context.DeadlineExceeded, codes.DeadlineExceeded, pb.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED},
	{context.Canceled, codes.Canceled, pb.ErrorReason_ERROR_REASON_CANCELLED},
	{engine.ErrRequestIDReused, codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_REQUEST_ID_REUSED},
	{engine.ErrCurrencyMismatch, codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_CURRENCY_MISMATCH},
	{engine.ErrUnknownScope, codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_UNKNOWN_SCOPE},
	{engine.ErrPageToken, codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_BAD_PAGE_TOKEN},
	{engine.ErrNoBundle, codes.FailedPrecondition, pb.ErrorReason_ERROR_REASON_NO_BUNDLE},
	{rules.ErrUnsigned, codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_BUNDLE_REFUSED},
	{rules.ErrSignature, codes.InvalidArgument, pb.ErrorReason_ERROR_REASON_BUNDLE_REFUSED},
	{ErrNoEarlierBundle, codes.FailedPrecondition, pb.ErrorReason_ERROR_REASON_NO_EARLIER_BUNDLE},
	{engine.ErrModelStep, codes.FailedPrecondition, pb.ErrorReason_ERROR_REASON_MODEL_STEP},
	{engine.ErrModelUnknown, codes.NotFound, pb.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND},
	{engine.ErrStale, codes.Aborted, pb.ErrorReason_ERROR_REASON_STALE_DIGEST},
	{engine.ErrErased, codes.NotFound, pb.ErrorReason_ERROR_REASON_ERASED},
	{store.ErrErased, codes.NotFound, pb.ErrorReason_ERROR_REASON_ERASED},
	{ErrBundleNotFound, codes.NotFound, pb.ErrorReason_ERROR_REASON_BUNDLE_NOT_FOUND},
	{store.ErrFailed, codes.Unavailable, pb.ErrorReason_ERROR_REASON_LOG_FAILED},
	{store.ErrClosed, codes.Unavailable, pb.ErrorReason_ERROR_REASON_NOT_SERVING},
	{store.ErrOverloaded, codes.Unavailable, pb.ErrorReason_ERROR_REASON_LOG_OVERLOADED},
	{engine.ErrUnavailable, codes.Unavailable, pb.ErrorReason_ERROR_REASON_LOG_OVERLOADED},
	{store.ErrTooLarge, codes.ResourceExhausted, pb.ErrorReason_ERROR_REASON_MESSAGE_TOO_LARGE},
}

// toStatus maps any error to the status a caller gets. It leaves a status it
// has made before as it is. retry is told to callers who may come back.
func toStatus(err error, requestID string, retry time.Duration) error {
	if err == nil {
		return nil
	}
	if s, ok := status.FromError(err); ok && len(s.Details()) > 0 {
		return err
	}
	f := classify(err, retry)
	if f.code == codes.Unavailable && len(f.details) == 0 {
		f.details = append(f.details, retryInfo(retry))
	}
	return f.status(requestID)
}

func (f *failure) status(requestID string) error {
	metadata := map[string]string{"request_id": requestID}
	maps.Copy(metadata, f.metadata)
	info := &errdetails.ErrorInfo{Reason: reasonName(f.reason), Domain: Domain, Metadata: metadata}
	details := append([]protoadapt.MessageV1{info}, f.details...)
	s, err := status.New(f.code, f.message).WithDetails(details...)
	if err != nil {
		return status.Error(f.code, f.message)
	}
	return s.Err()
}

func reasonName(r pb.ErrorReason) string { return strings.TrimPrefix(r.String(), "ERROR_REASON_") }

// classify finds what kind of failure an error is: typed errors first, for what they know, then sentinels.
func classify(err error, retry time.Duration) *failure {
	if f := classifyTyped(err, retry); f != nil {
		return f
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			return &failure{code: s.code, reason: s.reason, message: err.Error()}
		}
	}
	if s, ok := status.FromError(err); ok {
		return classifyTransport(s)
	}
	return &failure{code: codes.Internal, reason: pb.ErrorReason_ERROR_REASON_INTERNAL,
		message: "internal error; the server's log has the cause under the request id"}
}

func classifyTyped(err error, retry time.Duration) *failure {
	var (
		bad      *badRequestError
		field    *engine.FieldError
		notFound *notFoundError
		stale    *StaleError
		refused  *rules.DiagnosticsError
		overload *overloadError
		draining *drainingError
		missing  *notOfferedError
		unproved *engine.RefusedError
		version  *engine.VersionError
	)
	switch {
	case errors.As(err, &bad):
		return invalid(bad)
	case errors.As(err, &field):
		return invalid(newBadRequest(field.Field, field.Hint))
	case fieldErrors(err) != nil:
		return invalid(fieldErrors(err))
	case errors.As(err, &notFound):
		return notFound.failure()
	case errors.As(err, &stale):
		return &failure{code: codes.Aborted, reason: pb.ErrorReason_ERROR_REASON_STALE_DIGEST, message: err.Error(),
			metadata: map[string]string{"want": stale.Want, "got": stale.Got}}
	case errors.As(err, &refused):
		return bundleRefused(refused)
	case errors.As(err, &unproved):
		return &failure{code: codes.FailedPrecondition, reason: pb.ErrorReason_ERROR_REASON_PROMOTION_REFUSED, message: err.Error(),
			metadata: map[string]string{"count": strconv.Itoa(len(unproved.Reasons)), "first": unproved.Reasons[0]}}
	case errors.As(err, &version):
		return &failure{code: codes.Aborted, reason: pb.ErrorReason_ERROR_REASON_STALE_VERSION, message: err.Error(),
			metadata: map[string]string{"want": strconv.FormatUint(uint64(version.Want), 10), "got": strconv.FormatUint(uint64(version.Got), 10)}}
	case errors.As(err, &overload):
		return &failure{code: codes.ResourceExhausted, reason: pb.ErrorReason_ERROR_REASON_TOO_MANY_CALLS, message: err.Error(),
			metadata: map[string]string{"limit": strconv.Itoa(overload.limit)}, details: []protoadapt.MessageV1{retryInfo(retry)}}
	case errors.As(err, &draining):
		return &failure{code: codes.Unavailable, reason: pb.ErrorReason_ERROR_REASON_NOT_SERVING, message: err.Error()}
	case errors.As(err, &missing):
		return &failure{code: codes.Unimplemented, reason: pb.ErrorReason_ERROR_REASON_NOT_OFFERED, message: err.Error()}
	}
	return nil
}

// classifyTransport keeps the code of a status that grpc or a model server made, and gives it a reason.
func classifyTransport(s *status.Status) *failure {
	f := &failure{code: s.Code(), message: s.Message(), reason: pb.ErrorReason_ERROR_REASON_INTERNAL}
	switch s.Code() {
	case codes.ResourceExhausted:
		f.reason = pb.ErrorReason_ERROR_REASON_MESSAGE_TOO_LARGE
	case codes.Canceled:
		f.reason = pb.ErrorReason_ERROR_REASON_CANCELLED
	case codes.DeadlineExceeded:
		f.reason = pb.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED
	case codes.Unimplemented:
		f.reason = pb.ErrorReason_ERROR_REASON_NOT_OFFERED
	}
	return f
}

func invalid(b *badRequestError) *failure {
	return &failure{code: codes.InvalidArgument, reason: pb.ErrorReason_ERROR_REASON_INVALID_FIELD, message: b.Error(),
		metadata: map[string]string{"field": b.fields[0].GetField()},
		details:  []protoadapt.MessageV1{&errdetails.BadRequest{FieldViolations: b.fields}}}
}

// fieldErrors gathers the wrong fields of an event; nil if err is something else.
func fieldErrors(err error) *badRequestError {
	first, ok := errors.AsType[*profile.FieldError](err)
	if !ok {
		return nil
	}
	b := new(badRequestError)
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		b.add(first.Path, first.What+"; "+first.Fix)
		return b
	}
	for _, e := range joined.Unwrap() {
		if f, ok := errors.AsType[*profile.FieldError](e); ok {
			b.add(f.Path, f.What+"; "+f.Fix)
		}
	}
	return b
}

// bundleRefused carries all diagnostics of a bundle as a detail.
func bundleRefused(e *rules.DiagnosticsError) *failure {
	f := &failure{code: codes.InvalidArgument, reason: pb.ErrorReason_ERROR_REASON_BUNDLE_REFUSED, message: e.Error(),
		metadata: map[string]string{"count": strconv.Itoa(len(e.Diagnostics))},
		details:  []protoadapt.MessageV1{protoadapt.MessageV1Of(&pb.ValidateBundleResponse{Diagnostics: fromDiagnostics(e.Diagnostics)})}}
	if len(e.Diagnostics) > 0 {
		f.metadata["first"] = e.Diagnostics[0].String()
	}
	return f
}

// notFoundError says what was not found.
type notFoundError struct {
	reason     pb.ErrorReason
	kind, name string
}

func (e *notFoundError) Error() string { return "no " + e.kind + " " + strconv.Quote(e.name) }

func (e *notFoundError) failure() *failure {
	return &failure{code: codes.NotFound, reason: e.reason, message: e.Error(),
		details: []protoadapt.MessageV1{&errdetails.ResourceInfo{ResourceType: e.kind, ResourceName: e.name, Description: e.Error()}}}
}

// named gives a plain ErrNotFound of engine or store the name of what was asked for.
func named(err error, reason pb.ErrorReason, kind, name string) error {
	if errors.Is(err, engine.ErrNotFound) || errors.Is(err, store.ErrNotFound) {
		return &notFoundError{reason, kind, name}
	}
	return err
}

func retryInfo(d time.Duration) *errdetails.RetryInfo {
	return &errdetails.RetryInfo{RetryDelay: durationpb.New(d)}
}

// problem turns a status made by toStatus into one item of a batch or stream.
func problem(err error) *pb.Problem {
	s := status.Convert(err)
	p := &pb.Problem{Code: int32(s.Code()), Message: s.Message()}
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			p.Reason, p.Metadata = d.GetReason(), d.GetMetadata()
		case *errdetails.BadRequest:
			p.Field = d.GetFieldViolations()[0].GetField()
		}
	}
	return p
}
