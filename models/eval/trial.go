package eval

import "fmt"

// Trial is a comparison of one arm with none, or with another arm, in which
// chance decided who got which.
type Trial struct {
	Rows
	// Treated per row: true for the arm whose effect is in question.
	Treated []bool
}

func (t Trial) check() error {
	if err := t.Rows.check(); err != nil {
		return err
	}
	if len(t.Treated) != len(t.Outcome) {
		return fmt.Errorf("treated: %d values for %d rows: %w", len(t.Treated), len(t.Outcome), ErrColumns)
	}
	var n [2]float64
	for i, w := range t.weights() {
		n[arm(t.Treated[i])] += w
	}
	if n[0] == 0 || n[1] == 0 {
		return fmt.Errorf("trial: one of the arms has no rows: %w", ErrUndefined)
	}
	return nil
}

func (t Trial) checkScored(score []float64) error {
	if err := t.check(); err != nil {
		return err
	}
	return finite("score", score, len(t.Outcome))
}

// checkCounted refuses what definitions in counts of rows cannot express.
func (t Trial) checkCounted(score []float64, binary bool) error {
	if err := t.checkScored(score); err != nil {
		return err
	}
	if t.Weight != nil {
		return fmt.Errorf("weight: the definition counts rows and knows no weights: %w", ErrColumns)
	}
	if !binary {
		return nil
	}
	for i, y := range t.Outcome {
		if y != 0 && y != 1 {
			return fmt.Errorf("outcome: row %d is %v, want 0 or 1: %w", i, y, ErrColumns)
		}
	}
	return nil
}

func arm(treated bool) int {
	if treated {
		return 1
	}
	return 0
}

// step is what has been seen of both arms at some point of a ranking.
type step struct {
	nt, nc float64 // weight treated and control
	yt, yc float64 // weighted outcome of treated and control
}

func (s step) n() float64 { return s.nt + s.nc }

// difference is the mean outcome of treated less that of control; NaN if an arm is missing.
func (s step) difference() float64 { return s.yt/s.nt - s.yc/s.nc }

// classic is the outcome of the treated less that of as many controls.
func (s step) classic() float64 {
	if s.nc == 0 {
		return s.yt
	}
	return s.yt - s.yc*s.nt/s.nc
}

func (s *step) add(treated bool, w, y float64) {
	if treated {
		s.nt += w
		s.yt += w * y
		return
	}
	s.nc += w
	s.yc += w * y
}

// plus adds a fraction f of what lies between s and next.
func (s step) plus(next step, f float64) step {
	return step{
		nt: s.nt + f*(next.nt-s.nt), nc: s.nc + f*(next.nc-s.nc),
		yt: s.yt + f*(next.yt-s.yt), yc: s.yc + f*(next.yc-s.yc),
	}
}

// walk follows the ranking and returns what has been seen at the start and at the
// end of each tie group. The last step is the whole trial.
func (k ranking) walk(t Trial, w []float64) []step {
	return k.walkInto(make([]step, 0, len(k.ends)+1), t, w)
}

// walkInto appends the walk to steps[:0], for callers with many draws.
func (k ranking) walkInto(steps []step, t Trial, w []float64) []step {
	var s step
	steps = append(steps[:0], s)
	from := int32(0)
	for _, to := range k.ends {
		for _, i := range k.order[from:to] {
			s.add(t.Treated[i], w[i], t.Outcome[i])
		}
		steps = append(steps, s)
		from = to
	}
	return steps
}

// totals is the last step of any ranking.
func (t Trial) totals(w []float64) step {
	var s step
	for i, y := range t.Outcome {
		s.add(t.Treated[i], w[i], y)
	}
	return s
}
