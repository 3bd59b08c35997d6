package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rebound-engine/rebound/internal/descriptor"
)

// Config is the descriptor of a model in a process.
type Config struct {
	// Command is the name of a program in Options.Programs and its arguments.
	Command []string `yaml:"command"`
	// Timeout bounds one call, with the wait for a free place; 5 ms if not given.
	Timeout descriptor.Duration `yaml:"timeout"`
	// StartTimeout bounds a start, up to the answer to Describe; 10 s if not given.
	StartTimeout descriptor.Duration `yaml:"start_timeout"`
	// MaxInFlight bounds the calls in flight; 64 if not given. More wait, within Timeout.
	MaxInFlight int `yaml:"max_in_flight"`
	// Failures in a row after which the process is not asked for RetryAfter, and
	// longer with every failed try; 5 and 1 s if not given.
	Failures   int                 `yaml:"failures"`
	RetryAfter descriptor.Duration `yaml:"retry_after"`

	descriptor.Schema `yaml:",inline"`
}

// Parse reads a descriptor, in YAML or JSON. What it leaves to the bundle
// (outcome, unit, window, offers) may still be filled in before Open.
func Parse(data []byte) (Config, error) {
	c := Config{MaxInFlight: 64, Failures: 5}
	err := descriptor.Decode(data, &c)
	c.Timeout = descriptor.Duration(c.Timeout.Or(5 * time.Millisecond))
	c.StartTimeout = descriptor.Duration(c.StartTimeout.Or(10 * time.Second))
	c.RetryAfter = descriptor.Duration(c.RetryAfter.Or(time.Second))
	return c, err
}

// Validate reports every problem of the descriptor.
func (c *Config) Validate() error {
	found := []error{c.Check()}
	say := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }
	switch {
	case len(c.Command) == 0:
		say("command: name the program and its arguments, like [purchase-model, --quiet]")
	case c.Command[0] == "." || c.Command[0] == ".." || filepath.Base(c.Command[0]) != c.Command[0]:
		say("command: %q is no name of a program; it is looked up in the server's folder of programs", c.Command[0])
	}
	if limit := descriptor.Duration(time.Minute); c.Timeout > limit || c.StartTimeout > 10*limit {
		say("timeout: a call may take a minute at most, a start ten")
	}
	if c.MaxInFlight < 1 || c.MaxInFlight > 1<<16 {
		say("max_in_flight: %d is not in 1 to 65536", c.MaxInFlight)
	}
	if c.Failures < 1 {
		say("failures: %d; at least 1 opens the breaker", c.Failures)
	}
	for _, f := range slices.Concat(c.Features, c.OfferFeatures) {
		if f.Missing != nil || f.NoOffer != nil {
			say("features: %q: a process is told what is missing and asked for the outcome without an offer; missing and no_offer have no use", f.Name)
		}
	}
	return errors.Join(found...)
}

// program finds the executable in the folder of programs.
func (c *Config) program(folder string) (string, error) {
	path, err := filepath.Abs(filepath.Join(folder, c.Command[0]))
	if err != nil {
		return "", fmt.Errorf("command: %w", err)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("command: the folder of programs has no %q: %w", c.Command[0], err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("command: %s is no file", path)
	}
	return path, nil
}
