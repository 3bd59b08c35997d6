package server

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
)

// Errors an implementation of Services may return besides those of engine, store and rules.
var (
	// ErrNoEarlierBundle: a rollback has nothing to go back to.
	ErrNoEarlierBundle = errors.New("there is no earlier bundle to go back to")
	// ErrBundleNotFound: no bundle of that digest is kept.
	ErrBundleNotFound = errors.New("no bundle of that digest is kept")
)

// StaleError says that the active bundle is not the one the caller expected.
type StaleError struct{ Want, Got string }

// Error implements error.
func (e *StaleError) Error() string {
	return fmt.Sprintf("active bundle is %s, not %s; look at what has changed, then try again", e.Got, e.Want)
}

// badRequestError names the fields of a request that break a rule.
type badRequestError struct {
	fields []*errdetails.BadRequest_FieldViolation
}

func newBadRequest(field, what string) *badRequestError {
	b := new(badRequestError)
	b.add(field, what)
	return b
}

func (b *badRequestError) add(field, what string) {
	b.fields = append(b.fields, &errdetails.BadRequest_FieldViolation{Field: field, Description: what})
}

// Error implements error.
func (b *badRequestError) Error() string {
	parts := make([]string, len(b.fields))
	for i, f := range b.fields {
		parts[i] = f.GetField() + ": " + f.GetDescription()
	}
	return strings.Join(parts, "; ")
}

// overloadError refuses a call because too many are under way.
type overloadError struct {
	limit int
	retry time.Duration
}

func (e *overloadError) Error() string {
	return fmt.Sprintf("%d calls are under way, which is all this server takes; come back in %v", e.limit, e.retry)
}

// drainingError refuses a call because the server is about to stop.
type drainingError struct{ retry time.Duration }

func (e *drainingError) Error() string { return "server is stopping; call another one" }

// notOfferedError refuses a call to a service this server was built without.
type notOfferedError struct{ service string }

func (e *notOfferedError) Error() string { return "this server does not offer " + e.service }

// panicError is a panic of a handler, made an error.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }
