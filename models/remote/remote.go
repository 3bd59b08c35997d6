package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rebound-engine/rebound/internal/breaker"
	"github.com/rebound-engine/rebound/internal/descriptor"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/proto/inference"
)

// Options of a model, beside its descriptor.
type Options struct {
	// File reads a file that the descriptor names; nil: there are none.
	File func(path string) ([]byte, error)
	// Clock is wall time for the breaker; time.Now if nil.
	Clock func() time.Time
	// Dial adds options to the connection.
	Dial []grpc.DialOption
}

// Model is a models.Model that asks an inference server.
type Model struct {
	config  Config
	schema  models.Schema
	plan    *plan
	slots   chan struct{}
	breaker *breaker.Breaker
	dial    []grpc.DialOption

	mu     sync.Mutex // held while the connection is replaced
	closed bool
	conn   atomic.Pointer[grpc.ClientConn]
}

var _ models.Model = (*Model)(nil)

// maxWait is the longest the breaker stays open, and the longest between attempts to connect.
const maxWait = 30 * time.Second

// maxAnswer bounds a response.
const maxAnswer = 4 << 20 // 4 MiB

// New checks the descriptor and begins to connect, without waiting for it.
func New(c Config, o Options) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("remote model %s: %w", c.Model, err)
	}
	p, err := newPlan(&c)
	if err != nil {
		return nil, fmt.Errorf("remote model %s: %w", c.Model, err)
	}
	secure, err := c.credentials(o.File)
	if err != nil {
		return nil, fmt.Errorf("remote model %s: %w", c.Model, err)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	m := &Model{config: c, schema: c.Schema.Model(), plan: p, slots: make(chan struct{}, c.MaxInFlight)}
	m.breaker = breaker.New(breaker.Config{Failures: c.Failures, Wait: time.Duration(c.RetryAfter), MaxWait: max(maxWait, time.Duration(c.RetryAfter)), Clock: o.Clock})
	m.dial = append([]grpc.DialOption{
		grpc.WithTransportCredentials(secure),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithIdleTimeout(0),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: 2 * time.Second, Backoff: backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second}}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
	}, o.Dial...)
	return m, m.connect()
}

func (c *Config) credentials(file func(string) ([]byte, error)) (credentials.TransportCredentials, error) {
	if c.TLS == nil {
		return insecure.NewCredentials(), nil
	}
	t := &tls.Config{ServerName: c.TLS.ServerName, MinVersion: tls.VersionTLS12}
	if c.TLS.CA != "" {
		if file == nil {
			return nil, fmt.Errorf("tls: no files can be read here, %s is wanted", c.TLS.CA)
		}
		pem, err := file(c.TLS.CA)
		if err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls: %s holds no certificate in PEM", c.TLS.CA)
		}
	}
	return credentials.NewTLS(t), nil
}

// connect replaces the connection; a dead one that looks alive is left that way.
func (m *Model) connect() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	conn, err := grpc.NewClient(m.config.Target, m.dial...)
	if err != nil {
		return fmt.Errorf("remote model %s: %w", m.config.Model, err)
	}
	conn.Connect()
	if old := m.conn.Swap(conn); old != nil {
		return old.Close()
	}
	return nil
}

// Close ends the connection. Score answers models.ErrUnscorable from then on.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	return m.conn.Load().Close()
}

// Schema describes inputs and outputs. The result must not be changed.
func (m *Model) Schema() *models.Schema { return &m.schema }

// Score asks the server, for at most the descriptor's timeout. Every error
// wraps models.ErrUnscorable.
func (m *Model) Score(ctx context.Context, x []float64, cands []models.Candidate, out []models.Score) error {
	if err := descriptor.CheckQuestion(&m.schema, x, cands, out); err != nil {
		return m.unscorable(err)
	}
	r, err := m.plan.request(&m.config, x, cands)
	if err != nil {
		return m.unscorable(err)
	}
	call, err := m.breaker.Take()
	if err != nil {
		return m.unscorable(err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(m.config.Timeout))
	defer cancel()
	select {
	case m.slots <- struct{}{}:
	case <-ctx.Done():
		call.Dropped()
		return m.unscorable(fmt.Errorf("all %d places are taken: %w", cap(m.slots), ctx.Err()))
	}
	err = m.ask(ctx, r, cands, out)
	<-m.slots
	m.conclude(ctx, call, err)
	if err != nil {
		return m.unscorable(err)
	}
	return nil
}

func (m *Model) ask(ctx context.Context, r *inference.ModelInferRequest, cands []models.Candidate, out []models.Score) error {
	response, err := inference.NewGRPCInferenceServiceClient(m.conn.Load()).ModelInfer(ctx, r)
	if err != nil {
		return err
	}
	a, err := m.readAnswer(response, m.plan.rows(len(cands)))
	if err != nil {
		return err
	}
	return m.scores(&a, cands, out)
}

// conclude tells the breaker. A caller that left says nothing about the model;
// a failed try asks for a new connection, for the old one may be dead without knowing.
func (m *Model) conclude(ctx context.Context, call breaker.Call, err error) {
	switch {
	case err == nil:
		call.Succeeded()
	case errors.Is(ctx.Err(), context.Canceled):
		call.Dropped()
	default:
		if call.Try && m.connect() != nil {
			call.Failed(fmt.Errorf("cannot connect again after: %w", err))
			return
		}
		call.Failed(err)
	}
}

func (m *Model) unscorable(err error) error {
	if errors.Is(err, models.ErrUnscorable) {
		return fmt.Errorf("remote model %s: %w", m.config.Model, err)
	}
	return fmt.Errorf("remote model %s: %w: %w", m.config.Model, models.ErrUnscorable, err)
}
