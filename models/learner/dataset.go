package learner

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/rebound-engine/rebound/models"
)

// ErrData is wrapped by every refusal of a dataset.
var ErrData = errors.New("dataset")

// Dataset is the outcome of a past campaign, column by column. Rows are
// decisions. Fields other than Features, X and Y may be nil.
type Dataset struct {
	Outcome string        // what Y measures, e.g. "purchase"
	Unit    string        // "probability" (Y in [0,1]), "count" (Y >= 0) or "money"
	Window  time.Duration // outcome window
	Offers  []string      // the offers; arm k is Offers[k-1]

	Features []models.Feature
	X        [][]float64 // per feature one column; NaN is missing
	Y        []float64
	Arm      []int // 0: no offer, k: Offers[k-1]; nil if nothing was ever offered
	// OfferFeatures describe offers by numbers, e.g. the depth of a discount, and
	// OfferX holds them per offer. Pooled boosted trees then learn from them in
	// place of the offers' names. OfferMonotone, per offer feature -1, 0 or +1,
	// makes the predicted outcome never fall (+1) as the feature rises, other
	// features of the offer being equal; only candidates that can keep that
	// promise (MethodS over BaseBoost) take part then.
	OfferFeatures []models.Feature
	OfferX        [][]float64
	OfferMonotone []int8
	Logged        [][]float64 // per arm (0 first) the chance with which it was drawn; nil: estimated from the data
	Weight        []float64   // nil: 1
	Group         []uint64    // customer; rows of one group stay in one fold; nil: every row its own
	Time          []time.Time // of the decision
}

// Rows is the number of rows.
func (d *Dataset) Rows() int { return len(d.Y) }

// Arms is the number of arms, the one without an offer included.
func (d *Dataset) Arms() int { return len(d.Offers) + 1 }

// Validate reports the first inconsistency: lengths, ranges, NaN outcomes.
func (d *Dataset) Validate() error {
	n := d.Rows()
	if n == 0 {
		return fmt.Errorf("%w: no rows", ErrData)
	}
	if len(d.Features) == 0 {
		return fmt.Errorf("%w: no features", ErrData)
	}
	if len(d.X) != len(d.Features) {
		return fmt.Errorf("%w: %d columns for %d features", ErrData, len(d.X), len(d.Features))
	}
	for j, col := range d.X {
		if err := checkColumn(d.Features[j], col, n); err != nil {
			return fmt.Errorf("%w: feature %q: %w", ErrData, d.Features[j].Name, err)
		}
	}
	if err := d.checkOutcome(); err != nil {
		return fmt.Errorf("%w: outcome %q: %w", ErrData, d.Outcome, err)
	}
	if err := d.checkArms(); err != nil {
		return fmt.Errorf("%w: %w", ErrData, err)
	}
	if d.Weight != nil && len(d.Weight) != n || d.Group != nil && len(d.Group) != n || d.Time != nil && len(d.Time) != n {
		return fmt.Errorf("%w: weight, group or time column of another length than %d", ErrData, n)
	}
	for i, w := range d.Weight {
		if !(w >= 0) || math.IsInf(w, 0) {
			return fmt.Errorf("%w: row %d: weight %v", ErrData, i, w)
		}
	}
	return nil
}

func checkColumn(f models.Feature, col []float64, n int) error {
	if len(col) != n {
		return fmt.Errorf("%d rows, want %d", len(col), n)
	}
	if f.Type == models.Category && len(f.Levels) == 0 {
		return errors.New("a category without levels")
	}
	for i, v := range col {
		if math.IsInf(v, 0) {
			return fmt.Errorf("row %d is infinite", i)
		}
		if f.Type == models.Category && !math.IsNaN(v) && (v != math.Trunc(v) || v < 0 || v >= float64(len(f.Levels))) {
			return fmt.Errorf("row %d: %v is not one of %d levels", i, v, len(f.Levels))
		}
	}
	return nil
}

func (d *Dataset) checkOutcome() error {
	for i, y := range d.Y {
		ok := !math.IsNaN(y) && !math.IsInf(y, 0)
		switch d.Unit {
		case "probability":
			ok = ok && y >= 0 && y <= 1
		case "count":
			ok = ok && y >= 0
		case "money":
		default:
			return fmt.Errorf("unit %q is not probability, count or money", d.Unit)
		}
		if !ok {
			return fmt.Errorf("row %d: %v is not a %s", i, y, d.Unit)
		}
	}
	return nil
}

func (d *Dataset) checkArms() error {
	if d.Arm == nil {
		if len(d.Offers) != 0 {
			return fmt.Errorf("%d offers but no arm column", len(d.Offers))
		}
		return nil
	}
	if len(d.Arm) != d.Rows() {
		return fmt.Errorf("arm column of %d rows, want %d", len(d.Arm), d.Rows())
	}
	for i, a := range d.Arm {
		if a < 0 || a >= d.Arms() {
			return fmt.Errorf("row %d: arm %d of %d", i, a, d.Arms())
		}
	}
	if err := d.checkOfferFeatures(); err != nil {
		return err
	}
	if d.Logged == nil {
		return nil
	}
	if len(d.Logged) != d.Arms() {
		return fmt.Errorf("propensities of %d arms, want %d", len(d.Logged), d.Arms())
	}
	for a, col := range d.Logged {
		if len(col) != d.Rows() {
			return fmt.Errorf("propensities of arm %d: %d rows, want %d", a, len(col), d.Rows())
		}
		for i, p := range col {
			if !(p >= 0 && p <= 1) || p == 0 && d.Arm[i] == a {
				return fmt.Errorf("row %d: propensity %v of arm %d", i, p, a)
			}
		}
	}
	return nil
}

func (d *Dataset) checkOfferFeatures() error {
	k := len(d.OfferFeatures)
	if k == 0 && d.OfferX == nil && d.OfferMonotone == nil {
		return nil
	}
	if len(d.OfferX) != len(d.Offers) || d.OfferMonotone != nil && len(d.OfferMonotone) != k {
		return fmt.Errorf("offer features of %d offers for %d, %d directions for %d features", len(d.OfferX), len(d.Offers), len(d.OfferMonotone), k)
	}
	for a, x := range d.OfferX {
		if len(x) != k {
			return fmt.Errorf("offer %q: %d offer features, want %d", d.Offers[a], len(x), k)
		}
	}
	for _, f := range d.OfferFeatures {
		if f.Type != models.Number {
			return fmt.Errorf("offer feature %q is not a number", f.Name)
		}
	}
	return nil
}

// ordered reports whether offers must keep an order.
func (d *Dataset) ordered() bool {
	for _, m := range d.OfferMonotone {
		if m != 0 {
			return true
		}
	}
	return false
}

// Row copies row i's features into x.
func (d *Dataset) Row(i int, x []float64) {
	for j, col := range d.X {
		x[j] = col[i]
	}
}

// Subset copies the given rows into a new dataset.
func (d *Dataset) Subset(rows []int) *Dataset {
	s := *d
	s.X = make([][]float64, len(d.X))
	for j := range d.X {
		s.X[j] = pick(d.X[j], rows)
	}
	s.Y, s.Arm, s.Weight, s.Group, s.Time = pick(d.Y, rows), pick(d.Arm, rows), pick(d.Weight, rows), pick(d.Group, rows), pick(d.Time, rows)
	if d.Logged != nil {
		s.Logged = make([][]float64, len(d.Logged))
		for a := range d.Logged {
			s.Logged[a] = pick(d.Logged[a], rows)
		}
	}
	return &s
}

func pick[T any](col []T, rows []int) []T {
	if col == nil {
		return nil
	}
	out := make([]T, len(rows))
	for k, i := range rows {
		out[k] = col[i]
	}
	return out
}

// Schema is the model schema that training on d leads to.
func (d *Dataset) Schema() models.Schema {
	return models.Schema{Outcome: d.Outcome, Unit: d.Unit, Window: d.Window, Features: d.Features, Offers: d.Offers}
}

// Digest is the hex SHA-256 over names, columns, outcomes, arms,
// propensities and weights: the data half of a model's provenance.
func (d *Dataset) Digest() string {
	h := sha256.New()
	var buf [8]byte
	u64 := func(v uint64) {
		binary.LittleEndian.PutUint64(buf[:], v)
		h.Write(buf[:])
	}
	f64s := func(col []float64) {
		u64(uint64(len(col)))
		for _, v := range col {
			u64(math.Float64bits(v))
		}
	}
	h.Write(fmt.Appendf(nil, "%q %q %d %q\n", d.Outcome, d.Unit, d.Window, d.Offers))
	for j, f := range d.Features {
		h.Write(fmt.Appendf(nil, "%q %d %q\n", f.Name, f.Type, f.Levels))
		f64s(d.X[j])
	}
	f64s(d.Y)
	for _, a := range d.Arm {
		u64(uint64(a))
	}
	for _, col := range d.Logged {
		f64s(col)
	}
	for _, x := range d.OfferX {
		f64s(x)
	}
	h.Write(fmt.Appendf(nil, "%v\n", d.OfferMonotone))
	f64s(d.Weight)
	for _, g := range d.Group {
		u64(g)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (d *Dataset) weight(i int) float64 {
	if d.Weight == nil {
		return 1
	}
	return d.Weight[i]
}
