package registry

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rebound-engine/rebound/models/eval"
)

// Gate is what a promotion must prove.
type Gate struct {
	// MinGain: a champion's lower bound of the gain per decision must be above
	// it, in the money of the goals.
	MinGain float64
	// MaxLoss: a challenger's lower bound must be above -MaxLoss. It may be
	// worse than the champion by that much, on its share of the traffic.
	MaxLoss float64
	// MinRows is the number of decisions with complete outcomes; MinDays their span.
	MinRows int
	MinDays int
	// MaxAge bounds the time since the outcome of the last of them was complete.
	MaxAge time.Duration
	// MaxShare bounds a challenger's share of the traffic.
	MaxShare float64
}

// DefaultGate asks for a proven gain on four weeks and 10,000 decisions.
func DefaultGate() Gate {
	return Gate{MinGain: 0, MaxLoss: 0.05, MinRows: 10000, MinDays: 28, MaxAge: 7 * 24 * time.Hour, MaxShare: 0.2}
}

// minCovered is the share of the choices compared that the log must know.
const minCovered = 0.95

// Request asks for a change.
type Request struct {
	Outcome, Digest string
	To              Role
	Share           float64 // of a challenger
	At              time.Time
	By, Reason      string
	Evidence        *Evidence
}

// RefusedError lists everything a promotion lacks, each in words.
type RefusedError struct{ Reasons []string }

// Error joins the reasons.
func (e *RefusedError) Error() string { return "promotion refused: " + strings.Join(e.Reasons, "; ") }

// Register decides that a model is known from now on.
func (r *Registry) Register(outcome, digest, name, by string, at time.Time) (Change, error) {
	c := Change{Outcome: outcome, Digest: digest, Name: name, To: Registered, By: by, At: at}
	return c, r.possible(c)
}

// Promote decides a request: the change to be logged and applied, or an error.
// A *RefusedError says what is not proven; the other errors say that the
// step is none. Steps to shadow, registered or retired need no proof.
func (r *Registry) Promote(q Request, g Gate) (Change, error) {
	m, ok := r.Get(q.Outcome, q.Digest)
	if !ok {
		return Change{}, fmt.Errorf("promote %s of %s: %w", q.Digest, q.Outcome, ErrUnknown)
	}
	c := Change{Outcome: q.Outcome, Digest: q.Digest, From: m.Role, To: q.To, Share: q.Share, At: q.At, By: q.By, Reason: q.Reason, Evidence: q.Evidence}
	c.Displaced = r.displacedBy(c)
	if err := r.possible(c); err != nil {
		return Change{}, err
	}
	if reasons := g.lacks(r, q); len(reasons) > 0 {
		return Change{}, &RefusedError{Reasons: reasons}
	}
	return c, nil
}

// Rollback decides that the champion before returns; before the first one the
// policies decided by themselves, and do so again. It asks for no proof: it must
// be possible at once.
func (r *Registry) Rollback(outcome, by, reason string, at time.Time) (Change, error) {
	line := r.reigns[outcome]
	switch len(line) {
	case 0:
		return Change{}, fmt.Errorf("roll back %s: it has no champion: %w", outcome, ErrStep)
	case 1:
		c := Change{Outcome: outcome, Digest: line[0].digest, From: Champion, To: Retired, At: at, By: by, Reason: reason, Rollback: true}
		return c, r.possible(c)
	}
	back := line[len(line)-2]
	m := r.models[back]
	c := Change{Outcome: outcome, Digest: back.digest, From: m.Role, To: Champion, At: at, By: by, Reason: reason, Rollback: true}
	c.Displaced = r.displacedBy(c)
	return c, r.possible(c)
}

func (r *Registry) possible(c Change) error {
	_, err := r.Apply(c)
	return err
}

// lacks lists what is not proven.
func (g Gate) lacks(r *Registry, q Request) []string {
	if q.To != Challenger && q.To != Champion {
		return nil
	}
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if q.To == Challenger && q.Share > g.MaxShare {
		say("a share of %v, at most %v is allowed", q.Share, g.MaxShare)
	}
	e := q.Evidence
	if e == nil {
		return append(out, "there is no evidence")
	}
	_, reigned := r.Champion(q.Outcome)
	if reigned != (e.Against == string(Champion)) {
		say("it was compared with %q, and there is %s", e.Against, champions(reigned))
	}
	need := g.MinGain
	if q.To == Challenger {
		need = -g.MaxLoss
	}
	if !e.Gain.Above(need) {
		say("the gain per decision is %.4g (%.4g to %.4g); its lower bound must be above %.4g", e.Gain.Value, e.Gain.Lower, e.Gain.Upper, need)
	}
	if e.Covered.Below(minCovered) || !(e.Covered.Value > 0) {
		say("the log knows %.0f %% of what it or the incumbent would do, 95 %% are needed", 100*e.Covered.Value)
	}
	return append(append(out, g.tooLittle(e, q.At)...), e.alarms()...)
}

func champions(reigned bool) string {
	if reigned {
		return "a champion"
	}
	return "no champion"
}

func (g Gate) tooLittle(e *Evidence, at time.Time) []string {
	var out []string
	if e.Rows < g.MinRows {
		out = append(out, fmt.Sprintf("%d decisions with complete outcomes, %d are needed", e.Rows, g.MinRows))
	}
	if span := e.To.Sub(e.From); span < time.Duration(g.MinDays)*24*time.Hour {
		out = append(out, fmt.Sprintf("they span %.1f days, %d are needed", span.Hours()/24, g.MinDays))
	}
	if age := at.Sub(e.To.Add(e.Window)); age > g.MaxAge || age < 0 {
		out = append(out, fmt.Sprintf("the outcome of the last was complete %.1f days ago, 0 to %.1f are allowed", age.Hours()/24, g.MaxAge.Hours()/24))
	}
	return out
}

// alarms words a broken calibration and scores that have broken away.
func (e *Evidence) alarms() []string {
	var out []string
	if e.Calibration != nil && e.Calibration.Alarm {
		out = append(out, e.Calibration.Words)
	}
	for _, d := range e.Answers {
		if d.Level == eval.Broken {
			out = append(out, fmt.Sprintf("%s has moved since training (PSI %.2f)", d.Name, d.PSI))
		}
	}
	return out
}

// Reasons takes the reasons out of a refusal; nil if the error is none.
func Reasons(err error) []string {
	if r, ok := errors.AsType[*RefusedError](err); ok {
		return r.Reasons
	}
	return nil
}
