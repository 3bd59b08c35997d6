package sim

import (
	"errors"
	"fmt"
	"time"
)

// Config says what to simulate.
type Config struct {
	Seed      uint64
	Customers int       // at most 10,000,000
	Days      int       // from Start on
	Stores    int       // spread over three regions
	Start     time.Time // first day, taken at 00:00 UTC
	Currency  string    // of all prices
	Swindlers float64   // share of customers, in [0, 0.5]
}

// DefaultConfig is a small retailer over a year.
func DefaultConfig() Config {
	return Config{
		Seed: 1, Customers: 2000, Days: 365, Stores: 12,
		Start: time.Date(2025, 10, 1, 0, 0, 0, 0, time.UTC), Currency: "USD", Swindlers: 0.01,
	}
}

// Validate reports every bad setting at once.
func (c *Config) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if c.Customers < 1 || c.Customers > 10_000_000 {
		bad("customers: %d is not between 1 and 10,000,000", c.Customers)
	}
	if c.Days < 1 || c.Days > 10_000 {
		bad("days: %d is not between 1 and 10,000", c.Days)
	}
	if c.Stores < 1 || c.Stores > 9999 {
		bad("stores: %d is not between 1 and 9999", c.Stores)
	}
	if c.Start.Year() < 1980 || c.Start.Year() > 2100 {
		bad("start: year %d is not between 1980 and 2100", c.Start.Year())
	}
	if len(c.Currency) != 3 {
		bad("currency: %q is not an ISO 4217 code", c.Currency)
	}
	if !(c.Swindlers >= 0 && c.Swindlers <= 0.5) {
		bad("swindlers: %v is not a share between 0 and 0.5", c.Swindlers)
	}
	if len(problems) > 0 {
		return fmt.Errorf("simulated retailer: %w", errors.Join(problems...))
	}
	return nil
}
