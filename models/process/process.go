package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/rebound-engine/rebound/internal/breaker"
	"github.com/rebound-engine/rebound/internal/descriptor"
	"github.com/rebound-engine/rebound/models"
	modelv1 "github.com/rebound-engine/rebound/proto/rebound/model/v1"
)

// Options of a model, beside its descriptor.
type Options struct {
	// Programs is the folder whose programs may be started.
	Programs string
	// Logger gets starts, ends and what the process writes to standard error.
	Logger *slog.Logger
	// Clock is wall time for the breaker; time.Now if nil.
	Clock func() time.Time
	// FirstWait and MaxWait bound the wait before a process is started again; 100 ms and
	// 30 s if zero. It doubles with every end.
	FirstWait, MaxWait time.Duration
	// Beat is how often the process is asked whether it is there; 1 s if zero.
	// After three beats without an answer it is ended and started again.
	Beat time.Duration
}

func (o *Options) defaults() {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.FirstWait == 0 {
		o.FirstWait = 100 * time.Millisecond
	}
	if o.MaxWait == 0 {
		o.MaxWait = 30 * time.Second
	}
	if o.Beat == 0 {
		o.Beat = time.Second
	}
}

// Model is a models.Model that asks a process.
type Model struct {
	config  Config
	schema  models.Schema
	program string
	options Options
	slots   chan struct{}

	alive  atomic.Pointer[running] // nil while the process is down
	why    atomic.Pointer[error]   // why it is
	starts atomic.Int64
	first  chan struct{} // closed when the first start has succeeded or failed
	stop   context.CancelFunc
	done   chan struct{}
}

var _ models.Model = (*Model)(nil)

var errStarting = errors.New("the process is starting")

// Open starts the process and waits for its first start to end, at most until
// ctx does. A process that does not start is no error: it is tried again, and
// Score says why it is down. One that describes another model than the
// descriptor is: the error wraps ErrMismatch.
func Open(ctx context.Context, c Config, o Options) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("model process: %w", err)
	}
	path, err := c.program(o.Programs)
	if err != nil {
		return nil, fmt.Errorf("model process: %w", err)
	}
	o.defaults()
	m := &Model{
		config: c, schema: c.Model(), program: path, options: o,
		slots: make(chan struct{}, c.MaxInFlight), first: make(chan struct{}), done: make(chan struct{}),
	}
	m.why.Store(&errStarting)
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m.stop = cancel
	go m.supervise(background)
	select {
	case <-m.first:
	case <-ctx.Done():
	}
	if err := *m.why.Load(); m.alive.Load() == nil && errors.Is(err, ErrMismatch) {
		return nil, errors.Join(m.named(err), m.Close())
	}
	return m, nil
}

// Close ends the process and waits until it has ended.
func (m *Model) Close() error {
	m.stop()
	<-m.done
	return nil
}

// Up reports whether the process is running and, if not, why.
func (m *Model) Up() (bool, error) {
	if m.alive.Load() != nil {
		return true, nil
	}
	return false, *m.why.Load()
}

// Starts is how often the process was started.
func (m *Model) Starts() int64 { return m.starts.Load() }

// Process is the number of the running process; 0 while it is down.
func (m *Model) Process() int {
	if r := m.alive.Load(); r != nil {
		return r.process.cmd.Process.Pid
	}
	return 0
}

// Schema describes inputs and outputs. The result must not be changed.
func (m *Model) Schema() *models.Schema { return &m.schema }

// Score asks the process, for at most the descriptor's timeout. Every error
// wraps models.ErrUnscorable.
func (m *Model) Score(ctx context.Context, x []float64, cands []models.Candidate, out []models.Score) error {
	if err := descriptor.CheckQuestion(&m.schema, x, cands, out); err != nil {
		return m.named(err)
	}
	r := m.alive.Load()
	if r == nil {
		return m.unscorable(fmt.Errorf("the process is down: %w", *m.why.Load()))
	}
	call, err := r.breaker.Take()
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
	err = m.ask(ctx, r, x, cands, out)
	<-m.slots
	conclude(ctx, call, err)
	if err != nil {
		return m.unscorable(err)
	}
	return nil
}

func (m *Model) ask(ctx context.Context, r *running, x []float64, cands []models.Candidate, out []models.Score) error {
	q := &modelv1.ScoreRequest{X: x}
	for _, c := range cands {
		candidate := &modelv1.Candidate{X: c.X}
		if c.Arm >= 0 {
			candidate.Offer = m.schema.Offers[c.Arm]
		}
		q.Candidates = append(q.Candidates, candidate)
	}
	a, err := r.client.Score(ctx, q)
	if err != nil {
		return err
	}
	return m.read(a.GetScores(), cands, out)
}

// read checks the answer and fills out.
func (m *Model) read(scores []*modelv1.Score, cands []models.Candidate, out []models.Score) error {
	if len(scores) != len(cands) {
		return fmt.Errorf("answered %d scores for %d candidates", len(scores), len(cands))
	}
	for i, s := range scores {
		out[i] = models.Score{Without: s.GetWithout(), With: s.GetWith(), Lower: s.GetLower(), Upper: s.GetUpper()}
		if err := descriptor.CheckAnswer(m.schema.Unit, out[i]); err != nil {
			return fmt.Errorf("candidate %d: %w", i, err)
		}
		if out[i].Without != out[0].Without {
			return fmt.Errorf("answered %v and %v without an offer", out[0].Without, out[i].Without)
		}
	}
	return nil
}

// conclude tells the breaker; a caller that left says nothing about the model.
func conclude(ctx context.Context, call breaker.Call, err error) {
	switch {
	case err == nil:
		call.Succeeded()
	case errors.Is(ctx.Err(), context.Canceled):
		call.Dropped()
	default:
		call.Failed(err)
	}
}

func (m *Model) named(err error) error {
	return fmt.Errorf("model process %s: %w", m.config.Command[0], err)
}

func (m *Model) unscorable(err error) error {
	return m.named(fmt.Errorf("%w: %w", models.ErrUnscorable, err))
}
