// Package server owns the transport: the gRPC services of rebound.v1, their
// interceptors, limits, health, metrics and orderly shutdown. Handlers
// translate a message, call, and translate the answer.
//
// It refuses to know how decisions are made, how policies are compiled and how
// anything is stored: it declares the few methods it calls (Services), and cmd
// hands over what implements them.
package server
