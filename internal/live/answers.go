package live

import (
	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/server"
)

// maxAnswers is how many request ids a running process remembers.
const maxAnswers = 4096

// answers remembers what requests came to, so that a repeated one changes
// nothing. It holds no bundles, and forgets the oldest first.
type answers struct {
	byRequest map[string]server.BundleStatus
	order     []string
}

func newAnswers() answers { return answers{byRequest: map[string]server.BundleStatus{}} }

// add remembers the newest answer.
func (a *answers) add(request string, s server.BundleStatus) {
	if request == "" {
		return
	}
	s.Bundle, s.Files = nil, nil
	a.byRequest[request] = s
	a.order = append(a.order, request)
	if len(a.order) > maxAnswers {
		delete(a.byRequest, a.order[0])
		a.order = a.order[1:]
	}
}

// recall remembers an answer of the log, which is older than all before.
func (a *answers) recall(x *engine.Activation, source server.Source) {
	if _, ok := a.byRequest[x.Request]; ok || x.Request == "" {
		return
	}
	a.byRequest[x.Request] = server.BundleStatus{Activation: *x, Source: source}
	a.order = append([]string{x.Request}, a.order...)
}

// to returns what a request came to.
func (a *answers) to(request string) (server.BundleStatus, bool) {
	s, ok := a.byRequest[request]
	return s, ok && request != ""
}
