// Package currency owns what ISO 4217 says of money: which codes exist, how
// many decimals each has, and the exact way between decimal text, floating
// major units (as policies compute them) and integer minor units (as ledgers
// keep them).
//
// It refuses to know exchange rates: amounts of two currencies are never added.
package currency

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Errors a caller branches on.
var (
	// ErrUnknown is wrapped when a code is not an ISO 4217 currency with a minor unit.
	ErrUnknown = errors.New("unknown currency")
	// ErrAmount is wrapped when text or a number is not an amount of the currency.
	ErrAmount = errors.New("not an amount")
)

// Exponent returns the number of decimals of a currency: 2 for USD, 0 for JPY.
func Exponent(code string) (int, bool) {
	if len(code) != 3 {
		return 0, false
	}
	return exponent(code)
}

// Scale returns the number of minor units in a major unit: 100 for USD.
// The error wraps ErrUnknown.
func Scale(code string) (int64, error) {
	exp, ok := Exponent(code)
	if !ok {
		return 0, fmt.Errorf("currency %q: %w; use an ISO 4217 code such as \"USD\"", code, ErrUnknown)
	}
	return pow10(exp), nil
}

func pow10(exp int) int64 {
	scale := int64(1)
	for range exp {
		scale *= 10
	}
	return scale
}

// Parse reads decimal major units exactly: "12.50" USD is 1250. It takes an
// optional sign, digits and at most as many decimals as the currency has; no
// exponent, no separators. The error wraps ErrUnknown or ErrAmount.
func Parse(text, code string) (minor int64, err error) {
	exp, ok := Exponent(code)
	if !ok {
		return 0, fmt.Errorf("currency %q: %w; use an ISO 4217 code such as \"USD\"", code, ErrUnknown)
	}
	digits, negative := strings.CutPrefix(text, "-")
	whole, frac, _ := strings.Cut(digits, ".")
	if whole == "" || !allDigits(whole) || !allDigits(frac) {
		return 0, fmt.Errorf("%q: %w; write decimal major units such as \"12.50\"", clip(text), ErrAmount)
	}
	kept := strings.TrimRight(frac, "0")
	if len(kept) > exp {
		return 0, fmt.Errorf("%q: %w: %s has %d decimals", clip(text), ErrAmount, code, exp)
	}
	padded := whole + kept + strings.Repeat("0", exp-len(kept))
	minor, err = strconv.ParseInt(padded, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q: %w: larger than this ledger keeps", clip(text), ErrAmount)
	}
	if negative {
		minor = -minor
	}
	return minor, nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

// Format writes minor units as decimal major units: 1250 USD is "12.50".
func Format(minor int64, code string) (string, error) {
	exp, ok := Exponent(code)
	if !ok {
		return "", fmt.Errorf("currency %q: %w; use an ISO 4217 code such as \"USD\"", code, ErrUnknown)
	}
	sign, magnitude := "", uint64(minor)
	if minor < 0 {
		sign, magnitude = "-", -uint64(minor)
	}
	digits := strconv.FormatUint(magnitude, 10)
	if exp == 0 {
		return sign + digits, nil
	}
	if missing := exp + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	cut := len(digits) - exp
	return sign + digits[:cut] + "." + digits[cut:], nil
}

// Text writes an amount for people: 1250 USD is "12.50 USD". A code that
// Exponent does not know leaves the minor units as they are.
func Text(minor int64, code string) string {
	text, err := Format(minor, code)
	if err != nil {
		return fmt.Sprintf("%d minor units of %s", minor, code)
	}
	return text + " " + code
}

// Major returns minor units as floating major units, for expressions and models.
func Major(minor int64, code string) (float64, error) {
	scale, err := Scale(code)
	if err != nil {
		return 0, err
	}
	return float64(minor) / float64(scale), nil
}

// RoundUp turns floating major units into minor units, up to the next whole
// one: for liabilities and ceilings. A value that misses a whole minor unit by
// floating-point noise only (a millionth of it) is that minor unit.
// The error wraps ErrUnknown, or ErrAmount for NaN, infinities and overflow.
func RoundUp(major float64, code string) (int64, error) { return round(major, code, math.Ceil) }

// RoundDown is RoundUp towards the lower minor unit: for budgets and bounds.
func RoundDown(major float64, code string) (int64, error) { return round(major, code, math.Floor) }

// noise is the share of a minor unit that floating-point arithmetic on major units may be off by.
const noise = 1e-6

func round(major float64, code string, towards func(float64) float64) (int64, error) {
	scale, err := Scale(code)
	if err != nil {
		return 0, err
	}
	exact := major * float64(scale)
	if math.IsNaN(exact) || math.Abs(exact) >= 1<<62 {
		return 0, fmt.Errorf("%v %s: %w: not a finite amount a ledger keeps", major, code, ErrAmount)
	}
	if nearest := math.Round(exact); math.Abs(exact-nearest) <= noise {
		return int64(nearest), nil
	}
	return int64(towards(exact)), nil
}
