package rules

import (
	"fmt"
	"math"
	"time"
)

var durationUnits = []struct {
	suffix byte
	size   time.Duration
}{{'w', 7 * 24 * time.Hour}, {'d', 24 * time.Hour}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}}

// maxDuration bounds every window and validity: ten years.
const maxDuration = 3660 * 24 * time.Hour

// ParseDuration reads whole weeks, days, hours, minutes and seconds in that
// order: 48h, 30d, 1d12h. A day is 24 hours.
func ParseDuration(s string) (time.Duration, error) {
	var total time.Duration
	rest, unit := s, 0
	if rest == "" {
		return 0, fmt.Errorf("duration is empty, expected something like 48h or 30d")
	}
	for rest != "" {
		value, n := int64(0), 0
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' && value < math.MaxInt32 {
			value = value*10 + int64(rest[n]-'0')
			n++
		}
		if n == 0 || n == len(rest) {
			return 0, fmt.Errorf("duration %q, expected something like 48h or 30d", s)
		}
		for unit < len(durationUnits) && durationUnits[unit].suffix != rest[n] {
			unit++
		}
		if unit == len(durationUnits) {
			return 0, fmt.Errorf("duration %q, expected units w, d, h, m, s, each once, largest first", s)
		}
		if value > int64(maxDuration/durationUnits[unit].size) {
			return 0, fmt.Errorf("duration %q is longer than ten years", s)
		}
		total += time.Duration(value) * durationUnits[unit].size
		rest, unit = rest[n+1:], unit+1
	}
	if total > maxDuration {
		return 0, fmt.Errorf("duration %q is longer than ten years", s)
	}
	return total, nil
}

// duration reads a positive duration.
func (m *mapping) duration(key string, fallback time.Duration) time.Duration {
	v, ok := m.vals[key]
	if !ok {
		return fallback
	}
	d, err := ParseDuration(v.Value)
	if !v.isScalar() || err != nil || d <= 0 {
		m.r.add("RB1016", v, "%s.%s is %s", m.what, key, v.describe()).expected("a duration such as 48h, 30d or 1d12h")
		return fallback
	}
	return d
}
