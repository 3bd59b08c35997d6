// Command rebound decides, at the moment a customer returns something, which
// incentive would win the next purchase, if any, and what it may cost.
//
// It wires engine, store and server together and owns the command line; it
// decides nothing itself. Every verb that needs state talks to a server
// (--addr) or opens a store folder (--store) behind a server in its own process,
// so that both ways take the same path.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/rebound-engine/rebound/client"
	"github.com/rebound-engine/rebound/rules"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Exit codes.
const (
	exitOK         = 0
	exitFailed     = 1
	exitUsage      = 2
	exitCompile    = 3
	exitTests      = 4
	exitRegression = 6
)

// exitError is an error with the exit code it asks for.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usageErrorf(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func exitCode(err error) int {
	var e *exitError
	var problems *rules.DiagnosticsError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return e.code
	case errors.As(err, &problems), errors.Is(err, client.ErrBundleRefused):
		return exitCompile
	default:
		return exitFailed
	}
}
