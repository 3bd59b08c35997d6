package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rebound-engine/rebound/engine"
)

// driftEvery is how often the drift of models is computed at most; driftTime
// bounds the computation, which a scrape waits for.
const (
	driftEvery = time.Minute
	driftTime  = 5 * time.Second
)

// modelWatcher is what the metrics of models are computed by.
type modelWatcher interface {
	Models(ctx context.Context, outcome string) ([]engine.RegisteredModel, error)
	ModelDrift(ctx context.Context, outcome, digest string) (*engine.ModelDrift, error)
}

// modelMetrics shows the models that are asked and how they age. It reads the
// journal when it is scraped, and never more than once a minute: a server
// without registered models does nothing.
type modelMetrics struct {
	models modelWatcher
	log    *slog.Logger
	now    func() time.Time

	mu     sync.Mutex
	at     time.Time
	drifts []*engine.ModelDrift

	share, input, score, calibration, predicted, observed, decisions *prometheus.Desc
}

func newModelMetrics(m modelWatcher, log *slog.Logger) *modelMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("rebound_model_"+name, help, append([]string{"outcome", "role", "digest"}, labels...), nil)
	}
	return &modelMetrics{
		models: m, log: log, now: time.Now,
		share:       desc("share", "Share of the customers a model decides for; 0 for shadows."),
		input:       desc("input_psi_max", "Largest population stability index of a model's inputs against its training, and which input it is.", "input"),
		score:       desc("score_psi_max", "Largest population stability index of a model's scores against its training, and which score it is.", "score"),
		calibration: desc("calibration_alarm", "1 if a model's chances differ from what came of them by more than chance."),
		predicted:   desc("predicted_mean", "Mean chance predicted, over decisions with complete outcomes."),
		observed:    desc("observed_mean", "Mean of what came of them."),
		decisions:   desc("watched_decisions", "Newest decisions that are compared with training."),
	}
}

// Describe implements prometheus.Collector.
func (m *modelMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.share, m.input, m.score, m.calibration, m.predicted, m.observed, m.decisions} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *modelMetrics) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := m.now(); m.at.IsZero() || now.Sub(m.at) >= driftEvery {
		if err := m.refresh(); err != nil {
			m.log.Warn("drift of models not computed", "error", err)
		}
		m.at = now
	}
	shares := sharesOf(m.drifts)
	for i, d := range m.drifts {
		m.collect(ch, d, shares[i])
	}
}

// refresh looks at every model that is asked.
func (m *modelMetrics) refresh() error {
	ctx, cancel := context.WithTimeout(context.Background(), driftTime)
	defer cancel()
	m.drifts = nil
	all, err := m.models.Models(ctx, "")
	if err != nil {
		return err
	}
	for i := range all {
		if role := string(all[i].Role); role == "registered" || role == "retired" {
			continue
		}
		d, more := m.models.ModelDrift(ctx, all[i].Outcome, all[i].Digest)
		if more != nil {
			err = errors.Join(err, more)
			continue
		}
		m.drifts = append(m.drifts, d)
	}
	return err
}

// sharesOf is what each model decides: a champion decides what no challenger of its outcome does.
func sharesOf(ds []*engine.ModelDrift) []float64 {
	out := make([]float64, len(ds))
	for i, d := range ds {
		switch string(d.Role) {
		case "challenger":
			out[i] = d.Share
		case "champion":
			out[i] = 1
			for _, x := range ds {
				if x.Outcome == d.Outcome && string(x.Role) == "challenger" {
					out[i] -= x.Share
				}
			}
		}
	}
	return out
}

func (m *modelMetrics) collect(ch chan<- prometheus.Metric, d *engine.ModelDrift, share float64) {
	gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, append([]string{d.Outcome, string(d.Role), shortDigest(d.Digest)}, labels...)...)
	}
	gauge(m.share, share)
	gauge(m.decisions, float64(d.Rows))
	for _, x := range []struct {
		desc *prometheus.Desc
		in   []engine.Drift
	}{{m.input, d.Reads}, {m.score, d.Answers}} {
		if len(x.in) > 0 {
			worst := farthest(x.in)
			gauge(x.desc, worst.PSI, worst.Name)
		}
	}
	if c := d.Calibration; c != nil {
		alarm := 0.0
		if c.Alarm {
			alarm = 1
		}
		gauge(m.calibration, alarm)
		gauge(m.predicted, c.Predicted)
		gauge(m.observed, c.Observed)
	}
}

func farthest(ds []engine.Drift) engine.Drift {
	worst := ds[0]
	for _, d := range ds {
		if d.PSI > worst.PSI {
			worst = d
		}
	}
	return worst
}
