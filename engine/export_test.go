package engine

import "context"

// BestAgain makes a logged decision once more, with the models that decide now,
// and returns its best candidate and its score.
func (e *Engine) BestAgain(ctx context.Context, d *Decision) (string, float64, error) {
	a, err := e.decideAgain(ctx, e.active.Load(), d)
	if err != nil {
		return "", 0, err
	}
	defer a.end()
	best, err := a.choice(a.snap.outcomes)
	if err != nil {
		return "", 0, err
	}
	for _, x := range a.draws {
		if x.offer == a.d.Candidates[best].Offer {
			return x.offer, x.score, nil
		}
	}
	return "", 0, errOutOfReach
}
