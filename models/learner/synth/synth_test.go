package synth

import (
	"math"
	"testing"
)

func sum(cols ...[]float64) float64 {
	s := 0.0
	for _, col := range cols {
		for _, v := range col {
			s += v
		}
	}
	return s
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9*math.Abs(want)+1e-6 {
		t.Errorf("%s = %.10f, want %.10f", what, got, want)
	}
}

func arms(a []int) float64 {
	s := 0
	for _, v := range a {
		s += v
	}
	return float64(s)
}

// TestNieWagerSums holds the rows against the published check sums.
func TestNieWagerSums(t *testing.T) {
	for _, w := range []struct {
		setup          string
		x, arm, y, tau float64
	}{
		{"A", 40068.6520295111, 5230, 15135.0809522169, 5029.4813224550},
		{"B", -223.3518265056, 5049, 13926.7404388804, 7909.8768480688},
		{"C", math.NaN(), 5063, 19979.3565911987, 10000},
		{"D", math.NaN(), 3106, 7017.1303574130, 1436.2908548740},
	} {
		c, err := NieWager(w.setup, 10000, 1)
		if err != nil {
			t.Fatal(err)
		}
		if !math.IsNaN(w.x) {
			near(t, w.setup+": sum of X", sum(c.Data.X...), w.x)
		}
		near(t, w.setup+": sum of arms", arms(c.Data.Arm), w.arm)
		near(t, w.setup+": sum of Y", sum(c.Data.Y), w.y)
		near(t, w.setup+": sum of effects", sum(c.Effect...), w.tau)
	}
	if _, err := NieWager("E", 1, 1); err == nil {
		t.Error("set-up E was made")
	}
}

func TestRetailSums(t *testing.T) {
	c := Retail(100000, 1)
	near(t, "sum of X", sum(c.Data.X...), 17163970.65459414)
	near(t, "sum of arms", arms(c.Data.Arm), 209544)
	near(t, "sum of Y", sum(c.Data.Y), 20032)
	near(t, "sum of P", sum(c.Mean...), 99216.29514617)
	near(t, "sum of V", sum(c.Value...), 2167114.61360072)
	if err := c.Data.Validate(); err != nil {
		t.Error(err)
	}
}
