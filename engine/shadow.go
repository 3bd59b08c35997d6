package engine

import (
	"slices"

	"github.com/rebound-engine/rebound/internal/bucket"
	"github.com/rebound-engine/rebound/models"
)

// ShadowScores is what a model that only watches would have said. Nothing is
// decided by it.
type ShadowScores struct {
	Outcome, Digest string
	Cause           string // why it did not answer; then there are no scores
	Scores          []ShadowScore
}

// ShadowScore is the prediction for one offer that was scored.
type ShadowScore struct {
	Offer         string
	Without, With float64
	Lower, Upper  float64
}

// contest is a share of the customers for whom a challenger decides.
type contest struct {
	outcome  int          // index
	model    outcomeModel // the outcome as the challenger predicts it
	ref      ModelRef
	width    uint64 // buckets of bucket.Size
	name     string // of the experiment
	defender string // the arm of everybody else: champion, or bundle
}

// shadow is a model that scores every decision and decides none.
type shadow struct {
	model  outcomeModel
	digest string
}

// challengerBucket is a unit's place in the contest of a model: the same in
// every contest of that model, independent of all others.
func challengerBucket(digest string, unit []byte) uint32 {
	return bucket.Of(bucket.Hash(digest, []byte("challenger"), unit))
}

// takeSides finds, per contest, whose customer this is. The unit is the
// household where there is one, else the subject.
func (t *task) takeSides() {
	unit := t.d.Subject[:]
	if t.d.Household != "" {
		unit = []byte(t.d.Household)
	}
	for i := range t.snap.contests {
		c := &t.snap.contests[i]
		at := challengerBucket(c.ref.Digest, unit)
		arm := Arm{Experiment: c.name, Arm: c.defender, Bucket: chance(uint64(at)), Chance: chance(bucket.Size - c.width)}
		if uint64(at) < c.width {
			arm.Arm, arm.Chance = "challenger", chance(c.width)
			t.sideWith(c)
		}
		t.d.Arms = append(t.d.Arms, arm)
	}
}

// sideWith lets a challenger decide.
func (t *task) sideWith(c *contest) {
	if &t.outcomes[0] == &t.snap.outcomes[0] {
		t.sides = append(t.sides[:0], t.snap.outcomes...)
		t.outcomes = t.sides
		t.d.Provenance.Models = slices.Clone(t.snap.models)
	}
	t.outcomes[c.outcome] = c.model
	decides(t.d.Provenance.Models, c.ref)
}

// decides names another model for an outcome; the distilled one, which comes after it, stays.
func decides(refs []ModelRef, ref ModelRef) {
	if i := slices.IndexFunc(refs, func(r ModelRef) bool { return r.Outcome == ref.Outcome }); i >= 0 {
		refs[i] = ref
	}
}

// scoreShadows asks the models that only watch. They are asked in the decision
// and not after it, so that its entry holds what they say and a replay writes
// the same entry.
func (t *task) scoreShadows() {
	for i := range t.snap.shadows {
		s := &t.snap.shadows[i]
		out := ShadowScores{Outcome: s.model.Name, Digest: s.digest}
		if raw, err := t.askShadow(s); err != nil {
			out.Cause = err.Error()
		} else {
			out.Scores = make([]ShadowScore, len(raw))
			for k, offer := range t.index {
				v := &raw[k]
				out.Scores[k] = ShadowScore{Offer: t.plan.Offers[offer].ID, Without: v.Without, With: v.With, Lower: v.Lower, Upper: v.Upper}
			}
		}
		t.d.Shadows = append(t.d.Shadows, out)
	}
}

func (t *task) askShadow(s *shadow) ([]models.Score, error) {
	if !t.canAskModels() {
		return nil, errTooLate
	}
	return t.answer(&s.model, s.model.model)
}

func (d *Decision) appendShadows(w *wire) {
	for i := range d.Shadows {
		s := &d.Shadows[i]
		at := w.open(decShadow)
		w.text(1, s.Outcome)
		w.text(2, s.Digest)
		w.text(3, s.Cause)
		for k := range s.Scores {
			x := &s.Scores[k]
			in := w.open(4)
			w.text(1, x.Offer)
			w.float(2, x.Without)
			w.float(3, x.With)
			w.float(4, x.Lower)
			w.float(5, x.Upper)
			w.close(in)
		}
		w.close(at)
	}
}

func (s *ShadowScores) field(f field) error {
	switch f.num {
	case 1:
		s.Outcome = f.text()
	case 2:
		s.Digest = f.text()
	case 3:
		s.Cause = f.text()
	case 4:
		return parseInto(f.raw, &s.Scores, (*ShadowScore).field)
	}
	return nil
}

func (s *ShadowScore) field(f field) error {
	switch f.num {
	case 1:
		s.Offer = f.text()
	case 2:
		s.Without = f.float()
	case 3:
		s.With = f.float()
	case 4:
		s.Lower = f.float()
	case 5:
		s.Upper = f.float()
	}
	return nil
}
