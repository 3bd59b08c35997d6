package currency_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/rebound-engine/rebound/internal/currency"
	"pgregory.net/rapid"
)

func ExampleParse() {
	minor, _ := currency.Parse("12.50", "USD")
	text, _ := currency.Format(minor, "USD")
	up, _ := currency.RoundUp(4.001, "USD")
	down, _ := currency.RoundDown(4.009, "USD")
	fmt.Println(minor, text, up, down)
	// Output: 1250 12.50 401 400
}

func TestExponent(t *testing.T) {
	for code, want := range map[string]int{"USD": 2, "ZWG": 2, "JPY": 0, "BIF": 0, "KWD": 3, "CLF": 4} {
		if got, ok := currency.Exponent(code); !ok || got != want {
			t.Errorf("Exponent(%s) = %d, %v, want %d", code, got, ok, want)
		}
	}
	for _, code := range []string{"", "usd", "XXX", "US", "SD ", "DEU", "USDX", "D E", "\xff\xff\xff"} {
		if _, ok := currency.Exponent(code); ok {
			t.Errorf("Exponent(%q) is known", code)
		}
	}
}

func TestParse(t *testing.T) {
	good := []struct {
		text, code string
		want       int64
	}{
		{"12.50", "USD", 1250}, {"12.5", "USD", 1250}, {"12.500", "USD", 1250}, {"-0.01", "USD", -1},
		{"1000", "JPY", 1000}, {"1.234", "KWD", 1234}, {"0", "USD", 0}, {"7.", "USD", 700},
		{"92233720368547758.07", "USD", math.MaxInt64},
	}
	for _, c := range good {
		if got, err := currency.Parse(c.text, c.code); err != nil || got != c.want {
			t.Errorf("Parse(%q, %s) = %d, %v, want %d", c.text, c.code, got, err, c.want)
		}
	}
	for _, text := range []string{"", ".", ".5", "12.505", "1e3", "1,000", "NaN", "Inf", "--1", "+1", "92233720368547758.08", "1.2.3"} {
		if got, err := currency.Parse(text, "USD"); !errors.Is(err, currency.ErrAmount) {
			t.Errorf("Parse(%q) = %d, %v, want ErrAmount", text, got, err)
		}
	}
	if _, err := currency.Parse("1", "XXX"); !errors.Is(err, currency.ErrUnknown) {
		t.Errorf("unknown code: %v", err)
	}
}

func TestRound(t *testing.T) {
	cases := []struct {
		major    float64
		up, down int64
	}{
		{0.1 * 90, 900, 900}, {0.1 + 0.2, 30, 30}, {4.001, 401, 400}, {-4.001, -400, -401}, {0, 0, 0}, {20, 2000, 2000},
	}
	for _, c := range cases {
		up, err := currency.RoundUp(c.major, "USD")
		if err != nil || up != c.up {
			t.Errorf("RoundUp(%v) = %d, %v, want %d", c.major, up, err, c.up)
		}
		down, err := currency.RoundDown(c.major, "USD")
		if err != nil || down != c.down {
			t.Errorf("RoundDown(%v) = %d, %v, want %d", c.major, down, err, c.down)
		}
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e300} {
		if _, err := currency.RoundUp(bad, "USD"); !errors.Is(err, currency.ErrAmount) {
			t.Errorf("RoundUp(%v): %v", bad, err)
		}
	}
}

func ExampleText() {
	fmt.Println(currency.Text(1250, "USD"))
	fmt.Println(currency.Text(-1, "KWD"))
	fmt.Println(currency.Text(7, "points"))
	// Output:
	// 12.50 USD
	// -0.001 KWD
	// 7 minor units of points
}

func TestFormatParsesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minor := rapid.Int64Min(math.MinInt64+1).Draw(t, "minor")
		code := rapid.SampledFrom([]string{"USD", "JPY", "KWD", "CLF"}).Draw(t, "code")
		text, err := currency.Format(minor, code)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := currency.Parse(text, code); err != nil || got != minor {
			t.Fatalf("Parse(Format(%d)) = %d, %v", minor, got, err)
		}
	})
}
