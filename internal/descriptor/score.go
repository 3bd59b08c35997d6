package descriptor

import (
	"fmt"
	"math"

	"github.com/rebound-engine/rebound/models"
)

// CheckQuestion reports what does not fit the schema, before anything is sent.
func CheckQuestion(s *models.Schema, x []float64, cands []models.Candidate, out []models.Score) error {
	if len(x) != len(s.Features) || len(out) < len(cands) {
		return fmt.Errorf("%d features and room for %d of %d candidates, the model reads %d features: %w",
			len(x), len(out), len(cands), len(s.Features), models.ErrUnscorable)
	}
	for i, c := range cands {
		if c.Arm < -1 || c.Arm >= len(s.Offers) {
			return fmt.Errorf("candidate %d: arm %d of %d: %w", i, c.Arm, len(s.Offers), models.ErrUnscorable)
		}
		if len(c.X) != len(s.OfferFeatures) {
			return fmt.Errorf("candidate %d: %d offer features, the model reads %d: %w", i, len(c.X), len(s.OfferFeatures), models.ErrUnscorable)
		}
	}
	return nil
}

// CheckAnswer reports a score that no sound model gives in the unit: what is
// no number, a chance outside 0 to 1, bounds in the wrong order.
func CheckAnswer(unit string, s models.Score) error {
	for _, v := range [...]float64{s.Without, s.With, s.Lower, s.Upper} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("answered %v, which is no number", v)
		}
	}
	if unit == "probability" && (min(s.With, s.Without) < 0 || max(s.With, s.Without) > 1) {
		return fmt.Errorf("answered the chances %v and %v; they lie in 0 to 1", s.Without, s.With)
	}
	if unit == "count" && min(s.With, s.Without) < 0 {
		return fmt.Errorf("answered the counts %v and %v; there are none below 0", s.Without, s.With)
	}
	if s.Lower > s.Upper {
		return fmt.Errorf("answered an interval from %v to %v", s.Lower, s.Upper)
	}
	return nil
}
