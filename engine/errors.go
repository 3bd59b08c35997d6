package engine

import "errors"

// Errors a caller branches on.
var (
	// ErrNoBundle: nothing has been activated yet.
	ErrNoBundle = errors.New("no bundle is active; activate one first")
	// ErrRequestIDReused: the request id was used before with another body.
	ErrRequestIDReused = errors.New("request id was used with another body")
	// ErrCurrencyMismatch: the request's currency is not the policy's.
	ErrCurrencyMismatch = errors.New("currency does not match the policy")
	// ErrUnknownScope: StrictScope was asked for and the bundle has no such scope.
	ErrUnknownScope = errors.New("scope is not in the bundle")
	// ErrUnavailable: the log did not take the decision; nothing was reserved.
	ErrUnavailable = errors.New("decision was not recorded; try again")
	// ErrNotFound: no such decision, customer or budget.
	ErrNotFound = errors.New("not found")
	// ErrErased: it was there, and its customer was erased.
	ErrErased = errors.New("erased")
	// ErrStale: the active bundle is not the one the caller expected.
	ErrStale = errors.New("active bundle has changed")
	// ErrPageToken: the page token was not issued for this query.
	ErrPageToken = errors.New("page token does not belong to this query")
)

// FieldError says which field of a request is wrong and how to mend it.
type FieldError struct {
	Field string // path, e.g. "item_return.lines[0].quantity"
	Hint  string
}

// Error implements error.
func (e *FieldError) Error() string { return e.Field + ": " + e.Hint }
