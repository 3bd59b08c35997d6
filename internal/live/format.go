package live

import (
	"strconv"
	"strings"
	"time"

	"github.com/rebound-engine/rebound/internal/currency"
	"github.com/rebound-engine/rebound/rules"
)

// amount writes money in the policy's currency.
func (v *values) amount(minor int64) string { return amount(minor, v.policy.Currency) }

// amount writes money in major units with its currency.
func amount(minor int64, code string) string {
	text, err := currency.Format(minor, code)
	if err != nil { // no bundle loads with an unknown currency
		return strconv.FormatInt(minor, 10)
	}
	return text + " " + code
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// duration writes days and smaller units as policies do: 30d, 1d12h, 48h.
func duration(d time.Duration) string {
	const day = 24 * time.Hour
	if d <= 0 {
		return ""
	}
	if d%day == 0 && d > 3*day {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if cut, ok := strings.CutSuffix(s, "m0s"); ok {
		s = cut + "m"
	}
	if cut, ok := strings.CutSuffix(s, "h0m"); ok {
		s = cut + "h"
	}
	return s
}

// period writes the period of a budget.
func period(p rules.Period) string {
	if p.Kind != "fixed" {
		return p.Kind
	}
	return p.From.Format(time.RFC3339) + " to " + p.To.Format(time.RFC3339)
}
