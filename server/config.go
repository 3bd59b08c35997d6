package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Config is how a server listens and what it allows. Zero limits are not
// unlimited: start from DefaultConfig.
type Config struct {
	// Address is the TCP address to listen on, host:port; empty listens on none.
	// It must be a loopback address: there is no TLS and no authentication yet.
	Address string
	// Socket is the path of a unix socket to listen on; empty listens on none. It is made for the owner alone.
	Socket string
	// MetricsAddress is the loopback address of the HTTP server with /metrics, /healthz and /readyz; empty is none.
	MetricsAddress string

	MaxMessageBytes int    // of one message received
	MaxHeaderBytes  uint32 // of the headers of one call
	MaxStreams      uint32 // calls at once on one connection
	MaxCalls        int    // calls under way at once, all connections together
	StreamWorkers   int    // decisions under way at once within one StreamDecide or BatchDecide

	// MaxDeadline caps the time of a unary call; a caller without a deadline gets it.
	MaxDeadline time.Duration
	// DrainTimeout is how long calls under way may take once the server is told to stop.
	DrainTimeout time.Duration
	// RetryDelay is what a caller who is refused for overload is told to wait.
	RetryDelay time.Duration
	// KeepaliveTime is after how much silence a connection is probed, KeepaliveTimeout how long the answer may take.
	KeepaliveTime, KeepaliveTimeout time.Duration
	// ConnectionTimeout is how long a new connection may take to introduce itself.
	ConnectionTimeout time.Duration
}

// DefaultConfig returns the settings of `rebound serve` without flags.
func DefaultConfig() Config {
	return Config{
		Address:           "127.0.0.1:7420",
		MetricsAddress:    "127.0.0.1:7421",
		MaxMessageBytes:   16 << 20, // 16 MiB: a bundle of a few thousand stores and its models
		MaxHeaderBytes:    16 << 10, // 16 KiB
		MaxStreams:        256,
		MaxCalls:          1024,
		StreamWorkers:     32,
		MaxDeadline:       10 * time.Second,
		DrainTimeout:      10 * time.Second,
		RetryDelay:        100 * time.Millisecond,
		KeepaliveTime:     time.Minute,
		KeepaliveTimeout:  10 * time.Second,
		ConnectionTimeout: 10 * time.Second,
	}
}

// Validate reports everything that is wrong, each error beginning with the name of its setting.
func (c *Config) Validate() error {
	return errors.Join(
		loopback("address", c.Address),
		loopback("metrics_address", c.MetricsAddress),
		positive("max_message_bytes", c.MaxMessageBytes),
		positive("max_header_bytes", c.MaxHeaderBytes),
		positive("max_streams", c.MaxStreams),
		positive("max_calls", c.MaxCalls),
		positive("stream_workers", c.StreamWorkers),
		positive("max_deadline", c.MaxDeadline),
		positive("drain_timeout", c.DrainTimeout),
		positive("retry_delay", c.RetryDelay),
		positive("keepalive_time", c.KeepaliveTime),
		positive("keepalive_timeout", c.KeepaliveTimeout),
		positive("connection_timeout", c.ConnectionTimeout),
	)
}

func positive[T int | uint32 | time.Duration](name string, v T) error {
	if v <= 0 {
		return fmt.Errorf("%s: %v is not positive", name, v)
	}
	return nil
}

// loopback refuses every address other machines could reach.
func loopback(name, addr string) error {
	if addr == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%s: %q is not host:port: %w", name, addr, err)
	}
	if host == "localhost" {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() {
		return nil
	}
	return &NotLoopbackError{Setting: name, Address: addr}
}

// NotLoopbackError refuses to listen where other machines could reach a server without TLS and authentication.
type NotLoopbackError struct{ Setting, Address string }

// Error implements error.
func (e *NotLoopbackError) Error() string {
	return fmt.Sprintf("%s: %q can be reached from other machines, but there is no TLS and no authentication yet; "+
		"listen on 127.0.0.1, ::1, localhost or a unix socket", e.Setting, e.Address)
}
