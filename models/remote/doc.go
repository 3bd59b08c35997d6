// Package remote asks a model that runs in an inference server, by the Open
// Inference Protocol v2 over gRPC (KServe, Triton, MLServer). It owns the
// descriptor of such a model, the tensors on the wire and what happens while
// the server is slow, down or answers nonsense: a deadline per call, a bound on
// calls in flight, and a circuit breaker.
//
// It refuses to know policies and offers beyond their features, and it never
// invents a score: what cannot be scored is an error that wraps
// models.ErrUnscorable, at the latest when the deadline has passed. What then
// stands in for the model is the engine's matter.
package remote
