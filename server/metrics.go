package server

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
)

// bounds are the upper ends of the latency histogram's buckets.
var bounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond,
	20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 10 * time.Second,
}

// methodStats counts the calls of one method. A call costs two atomic additions and one for the sum.
type methodStats struct {
	byCode  [codes.Unauthenticated + 1]atomic.Uint64
	buckets [len(bounds) + 1]atomic.Uint64
	nanos   atomic.Int64
}

func (s *methodStats) observe(code codes.Code, took time.Duration) {
	if int(code) >= len(s.byCode) {
		code = codes.Unknown
	}
	i := 0
	for i < len(bounds) && took > bounds[i] {
		i++
	}
	s.byCode[code].Add(1)
	s.buckets[i].Add(1)
	s.nanos.Add(int64(took))
}

// callMetrics holds one methodStats per method, fixed at construction: reading needs no lock.
type callMetrics struct {
	methods  map[string]*methodStats
	unknown  methodStats
	inFlight atomic.Int64
	calls    *prometheus.Desc
	seconds  *prometheus.Desc
	flight   *prometheus.Desc
}

func newCallMetrics(methods []string) *callMetrics {
	m := &callMetrics{
		methods: make(map[string]*methodStats, len(methods)),
		calls:   prometheus.NewDesc("rebound_calls_total", "Calls by method and gRPC code.", []string{"method", "code"}, nil),
		seconds: prometheus.NewDesc("rebound_call_seconds", "Time from the first byte read to the answer handed over, by method; of streams, their whole life.", []string{"method"}, nil),
		flight:  prometheus.NewDesc("rebound_calls_in_flight", "Calls under way.", nil, nil),
	}
	for _, name := range methods {
		m.methods[name] = new(methodStats)
	}
	return m
}

func (m *callMetrics) method(name string) *methodStats {
	if s := m.methods[name]; s != nil {
		return s
	}
	return &m.unknown
}

// Describe implements prometheus.Collector.
func (m *callMetrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- m.calls
	ch <- m.seconds
	ch <- m.flight
}

// Collect implements prometheus.Collector.
func (m *callMetrics) Collect(ch chan<- prometheus.Metric) {
	for name, s := range m.methods {
		m.collect(ch, name, s)
	}
	m.collect(ch, "unknown", &m.unknown)
	ch <- prometheus.MustNewConstMetric(m.flight, prometheus.GaugeValue, float64(m.inFlight.Load()))
}

func (m *callMetrics) collect(ch chan<- prometheus.Metric, name string, s *methodStats) {
	for code := range s.byCode {
		if n := s.byCode[code].Load(); n > 0 {
			ch <- prometheus.MustNewConstMetric(m.calls, prometheus.CounterValue, float64(n), name, codes.Code(code).String())
		}
	}
	var total uint64
	cumulative := make(map[float64]uint64, len(bounds))
	for i := range s.buckets {
		total += s.buckets[i].Load()
		if i < len(bounds) {
			cumulative[bounds[i].Seconds()] = total
		}
	}
	if total > 0 {
		sum := time.Duration(s.nanos.Load()).Seconds()
		ch <- prometheus.MustNewConstHistogram(m.seconds, total, sum, cumulative, name)
	}
}
