package remote

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/rebound-engine/rebound/internal/descriptor"
)

// Config is the descriptor of a remote model.
type Config struct {
	// Target is the server in gRPC's naming, e.g. mlserver.internal:8081 or dns:///host:8081.
	Target string `yaml:"target"`
	// TLS is how the connection is secured. Without it Plaintext must be said,
	// unless the target is this host.
	TLS       *TLS `yaml:"tls"`
	Plaintext bool `yaml:"plaintext"`
	// Model and Version name the model on the server. A version that is given must be the one that answers.
	Model   string `yaml:"model"`
	Version string `yaml:"version"`
	// Timeout bounds one call, with the wait for a free place; 5 ms if not given.
	Timeout descriptor.Duration `yaml:"timeout"`
	// MaxInFlight bounds the calls in flight; 64 if not given. More wait, within Timeout.
	MaxInFlight int `yaml:"max_in_flight"`
	// Failures in a row after which the model is not asked for RetryAfter, and
	// longer with every failed try; 5 and 1 s if not given.
	Failures   int                 `yaml:"failures"`
	RetryAfter descriptor.Duration `yaml:"retry_after"`

	descriptor.Schema `yaml:",inline"`

	// Inputs are the tensors sent, one row without an offer and, if the model
	// reads offer features, one for every candidate. If not given: one FP64
	// tensor named "predict" of all features, then all offer features.
	Inputs []Input `yaml:"inputs"`
	// Output is where the prediction is.
	Output Output `yaml:"output"`
	// Lower and Upper are outputs that bound the uplift at 95 %, if the model has any.
	Lower *Output `yaml:"lower"`
	Upper *Output `yaml:"upper"`
	// HalfWidth is half of that interval, known by other means. Without any of
	// them a probability is bounded by what is possible at all.
	HalfWidth float64 `yaml:"half_width"`
}

// TLS secures a connection.
type TLS struct {
	// CA is a file of the bundle with the certificates that are trusted; the system's if not given.
	CA string `yaml:"ca"`
	// ServerName is the name in the server's certificate; that of the target if not given.
	ServerName string `yaml:"server_name"`
}

// Input is one tensor of shape [rows, columns].
type Input struct {
	Name     string `yaml:"name"`
	Datatype string `yaml:"datatype"` // FP64 (if not given), FP32, INT64, INT32; BYTES for the levels of categories
	// Columns names features and offer features; all of them, in order, if not given.
	Columns []string `yaml:"columns"`
}

// Output is a tensor of numbers of shape [rows] or [rows, columns].
type Output struct {
	Name string `yaml:"name"`
	// Column is the column of the prediction.
	Column int `yaml:"column"`
	// Columns has instead one column for each offer and one for "none": the
	// model answers for all offers in one row and reads no offer features.
	Columns map[string]int `yaml:"columns"`
}

// none is the entry of Output.Columns without an offer.
const none = "none"

// Parse reads a descriptor, in YAML or JSON. What it leaves to the bundle (outcome, unit,
// window, offers) may still be filled in before New.
func Parse(data []byte) (Config, error) {
	c := Config{MaxInFlight: 64, Failures: 5}
	err := descriptor.Decode(data, &c)
	c.Timeout = descriptor.Duration(c.Timeout.Or(5 * time.Millisecond))
	c.RetryAfter = descriptor.Duration(c.RetryAfter.Or(time.Second))
	if c.Inputs == nil {
		c.Inputs = []Input{{Name: "predict"}}
	}
	for i := range c.Inputs {
		if c.Inputs[i].Datatype == "" {
			c.Inputs[i].Datatype = "FP64"
		}
	}
	if c.Output.Name == "" {
		c.Output.Name = "predict"
	}
	return c, err
}

// Validate reports every problem of the descriptor.
func (c *Config) Validate() error {
	found := []error{c.Check()}
	say := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }
	if c.Target == "" {
		say("target: name the server, like mlserver.internal:8081")
	}
	if c.Model == "" {
		say("model: name the model on the server")
	}
	if c.TLS == nil && !c.Plaintext && !loopback(c.Target) {
		say("tls: %s is another host; secure the connection (tls: {}) or say plaintext: true", c.Target)
	}
	if c.TLS != nil && c.Plaintext {
		say("tls: a connection cannot be secured and plaintext")
	}
	if c.Timeout > descriptor.Duration(time.Minute) {
		say("timeout: %s is more than a minute", time.Duration(c.Timeout))
	}
	if c.MaxInFlight < 1 || c.MaxInFlight > 1<<16 {
		say("max_in_flight: %d is not in 1 to 65536", c.MaxInFlight)
	}
	if c.Failures < 1 {
		say("failures: %d; at least 1 opens the breaker", c.Failures)
	}
	found = append(found, c.checkOutputs())
	if _, err := newPlan(c); err != nil {
		found = append(found, err)
	}
	return errors.Join(found...)
}

func (c *Config) checkOutputs() error {
	var found []error
	perOffer := len(c.Output.Columns) > 0
	if perOffer && len(c.OfferFeatures) > 0 {
		found = append(found, errors.New("output: a model that answers for all offers at once reads no offer features"))
	}
	if (c.Lower == nil) != (c.Upper == nil) {
		found = append(found, errors.New("lower: both bounds are given or none"))
	}
	bounded := c.Lower != nil || c.HalfWidth > 0
	if c.Unit != "probability" && (perOffer || len(c.OfferFeatures) > 0) && !bounded {
		found = append(found, fmt.Errorf("half_width: an uplift in the unit %s needs lower and upper or half_width", c.Unit))
	}
	if c.Lower != nil && c.HalfWidth != 0 || !(c.HalfWidth >= 0 && c.HalfWidth < 1e300) {
		found = append(found, fmt.Errorf("half_width: %v; a positive number, and none beside lower and upper", c.HalfWidth))
	}
	for _, o := range []*Output{&c.Output, c.Lower, c.Upper} {
		if o != nil {
			found = append(found, c.checkOutput(o, perOffer))
		}
	}
	return errors.Join(found...)
}

func (c *Config) checkOutput(o *Output, perOffer bool) error {
	var found []error
	if o.Name == "" {
		found = append(found, errors.New("output: a tensor without a name"))
	}
	if o.Column < 0 || o.Column != 0 && len(o.Columns) > 0 {
		found = append(found, fmt.Errorf("output %s: column %d; give a column from 0 on, or columns", o.Name, o.Column))
	}
	if perOffer != (len(o.Columns) > 0) {
		found = append(found, fmt.Errorf("output %s: prediction and bounds have columns per offer, or none has", o.Name))
	}
	if _, ok := o.Columns[none]; perOffer && !ok && o == &c.Output {
		found = append(found, fmt.Errorf("output %s: columns lacks %s, the prediction without an offer", o.Name, none))
	}
	for _, offer := range slices.Sorted(maps.Keys(o.Columns)) {
		if column := o.Columns[offer]; column < 0 || offer != none && !slices.Contains(c.Offers, offer) {
			found = append(found, fmt.Errorf("output %s: column %d of %q; offers are %s", o.Name, column, offer, strings.Join(c.Offers, ", ")))
		}
	}
	return errors.Join(found...)
}

// loopback reports whether a target is on this host.
func loopback(target string) bool {
	if strings.HasPrefix(target, "unix:") {
		return true
	}
	if i := strings.LastIndex(target, "/"); i >= 0 {
		target = target[i+1:]
	}
	host, _, err := net.SplitHostPort(target)
	if err != nil {
		host = target
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
