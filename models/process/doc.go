// Package process asks a model that runs as a process of its own, in any
// language, started by hashicorp/go-plugin and spoken to over gRPC
// (proto/rebound/model/v1). It owns the process: it starts it, watches it,
// starts it again after a crash or a hang, with growing waits, and ends it.
//
// It refuses to know policies, and to start anything that is not in the folder
// of programs it was given. It never makes a decision wait for a process: while
// it is down, Score answers an error that wraps models.ErrUnscorable at once.
package process
