package live

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"
	"weak"

	"github.com/rebound-engine/rebound/internal/descriptor"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/process"
	"github.com/rebound-engine/rebound/models/remote"
	"github.com/rebound-engine/rebound/rules"
)

// outsideKind is how a model file describes a model outside this process; "" if it does not.
func outsideKind(path string) string {
	for _, kind := range []string{"remote", "process"} {
		for _, ending := range []string{".yaml", ".yml", ".json"} {
			if strings.HasSuffix(path, "."+kind+ending) {
				return kind
			}
		}
	}
	return ""
}

// Outside says what of the world outside this process a bundle may use.
type Outside struct {
	// Programs is the folder whose programs bundles may start as model
	// processes; none if empty. Bundles come over the API: whoever may activate
	// one may start these programs, and no others.
	Programs string
	// Logger gets what happens to model processes and servers; nothing is logged if nil.
	Logger *slog.Logger
}

// Models opens model files with all they need outside this process:
// connections and model processes. What several bundles describe alike they
// share. What no bundle in use needs any more is closed by and by, after the
// garbage collector has found the last decision to be over.
type Models struct {
	outside Outside

	mu   sync.Mutex
	open map[string]*shared // by shareKey
}

// shared is a connection or process with the handle that bundles hold.
type shared struct {
	handle weak.Pointer[handle]
	inner  outsideModel
}

type outsideModel interface {
	models.Model
	io.Closer
}

// handle is what an engine holds of a shared model; when nothing holds it any more, the model is closed.
type handle struct{ models.Model }

// NewModels opens nothing yet.
func NewModels(o Outside) *Models {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Models{outside: o, open: map[string]*shared{}}
}

// Open opens a model file of a bundle and returns its digest; it is the
// engine's Options.OpenModel. A server or process that is down is no error: its
// model cannot score until it is up. One that describes another model is.
func (m *Models) Open(b *rules.Bundle, path string) (models.Model, string, error) {
	kind := outsideKind(path)
	if kind == "" {
		return OpenModel(b, path)
	}
	data, err := b.File(path)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	key := shareKey(b, path, kind, data)
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.open[key]; s != nil {
		if h := s.handle.Value(); h != nil {
			return h, digest, nil
		}
	}
	inner, err := m.connect(b, path, kind, data)
	if err != nil {
		return nil, "", err
	}
	h := &handle{inner}
	s := &shared{handle: weak.Make(h), inner: inner}
	m.open[key] = s
	runtime.AddCleanup(h, func(key string) { go m.release(key, s) }, key)
	return h, digest, nil
}

// shareKey is the same for models that are reached and asked alike: the
// descriptor, what the bundle adds to it, and the certificates it names.
func shareKey(b *rules.Bundle, path, kind string, data []byte) string {
	h := sha256.New()
	h.Write(data)
	fmt.Fprintf(h, "%+v", foreignSchema(b, path))
	if c, err := remote.Parse(data); kind == "remote" && err == nil && c.TLS != nil {
		ca, _ := b.File(c.TLS.CA)
		h.Write(ca)
	}
	return kind + " " + hex.EncodeToString(h.Sum(nil))
}

// release closes a model that nothing holds any more.
func (m *Models) release(key string, s *shared) {
	m.mu.Lock()
	if m.open[key] == s {
		delete(m.open, key)
	}
	m.mu.Unlock()
	m.closed(s.inner.Close())
}

func (m *Models) closed(err error) {
	if err != nil {
		m.outside.Logger.Warn("a model was not closed cleanly", "error", err)
	}
}

// Close ends all connections and processes, whatever holds them.
func (m *Models) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var wg sync.WaitGroup
	for key, s := range m.open {
		delete(m.open, key)
		wg.Go(func() { m.closed(s.inner.Close()) })
	}
	wg.Wait()
	return nil
}

// checkWait is how long an activation waits for an inference server to describe its model.
const checkWait = 2 * time.Second

func (m *Models) connect(b *rules.Bundle, path, kind string, data []byte) (outsideModel, error) {
	if kind == "remote" {
		return m.connectRemote(b, path, data)
	}
	return m.startProcess(b, path, data)
}

func (m *Models) connectRemote(b *rules.Bundle, path string, data []byte) (outsideModel, error) {
	c, err := remoteConfig(b, path, data)
	if err != nil {
		return nil, err
	}
	r, err := remote.New(c, remote.Options{File: b.File})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkWait)
	defer cancel()
	switch err := r.Check(ctx); {
	case errors.Is(err, remote.ErrMismatch):
		return nil, errors.Join(err, r.Close())
	case err != nil:
		m.outside.Logger.Warn("an inference server does not answer; decisions go on without its model until it does", "file", path, "target", c.Target, "error", err)
	}
	return r, nil
}

func (m *Models) startProcess(b *rules.Bundle, path string, data []byte) (outsideModel, error) {
	c, err := processConfig(b, path, data)
	if err != nil {
		return nil, err
	}
	if m.outside.Programs == "" {
		return nil, fmt.Errorf("wants to start %q; the server starts programs only if --allow-process-models names their folder", c.Command)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(c.StartTimeout))
	defer cancel()
	p, err := process.Open(ctx, c, process.Options{Programs: m.outside.Programs, Logger: m.outside.Logger})
	if err != nil {
		return nil, err
	}
	if up, err := p.Up(); !up {
		m.outside.Logger.Warn("a model process did not start; decisions go on without its model until it does", "file", path, "error", err)
	}
	return p, nil
}

func remoteConfig(b *rules.Bundle, path string, data []byte) (remote.Config, error) {
	c, err := remote.Parse(data)
	if err == nil {
		err = c.Complete(foreignSchema(b, path))
	}
	if err == nil {
		err = c.Validate()
	}
	return c, err
}

func processConfig(b *rules.Bundle, path string, data []byte) (process.Config, error) {
	c, err := process.Parse(data)
	if err == nil {
		err = c.Complete(foreignSchema(b, path))
	}
	if err == nil {
		err = c.Validate()
	}
	return c, err
}

// described is a model outside this process that is checked without being asked.
type described struct{ schema models.Schema }

// describe checks a descriptor without connecting to anything.
func describe(b *rules.Bundle, path, kind string, data []byte) (models.Model, error) {
	var s descriptor.Schema
	if kind == "remote" {
		c, err := remoteConfig(b, path, data)
		if err != nil {
			return nil, err
		}
		s = c.Schema
	} else {
		c, err := processConfig(b, path, data)
		if err != nil {
			return nil, err
		}
		s = c.Schema
	}
	return &described{schema: s.Model()}, nil
}

// Schema describes inputs and outputs.
func (d *described) Schema() *models.Schema { return &d.schema }

// Score refuses: nothing is connected.
func (d *described) Score(context.Context, []float64, []models.Candidate, []models.Score) error {
	return fmt.Errorf("%w: its descriptor was read without connecting to it", models.ErrUnscorable)
}
