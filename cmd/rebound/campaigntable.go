package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/rebound-engine/rebound/models/learner"
)

// trainingReport is what `rebound train` prints of a tournament.
type trainingReport struct {
	Model      string            `json:"model"`
	Wrote      string            `json:"wrote"` // champion, learned or fallback
	Picked     string            `json:"picked"`
	Rows       int               `json:"rows"`
	HeldOut    int               `json:"held_out"`
	LeftOut    []leftOutReport   `json:"left_out,omitempty"` // of --journal
	Offers     []string          `json:"offers"`
	ArmRows    []int             `json:"arm_rows"` // without an offer, then per offer
	Findings   []string          `json:"findings"` // of the data check
	Candidates []candidateReport `json:"candidates"`
	Guard      guardReport       `json:"guard"`
}

// leftOutReport counts decisions nothing was learned from.
type leftOutReport struct {
	Reason string `json:"reason"`
	Count  int    `json:"count"`
}

// candidateReport is a line of the table. Qini is per offer, out of fold; Gain
// is the policy's value over the best single arm; Loss is the effects' squared
// loss less that of constant effects, in outcome variances.
type candidateReport struct {
	Name     string    `json:"name"`
	Settings string    `json:"settings"`
	Qini     []float64 `json:"qini_per_customer,omitempty"`
	Policy   float64   `json:"policy"`
	Gain     float64   `json:"gain"`
	GainSE   float64   `json:"gain_se"`
	Loss     float64   `json:"loss"`
	LossSE   float64   `json:"loss_se"`
	Weight   float64   `json:"weight"`
	Seconds  float64   `json:"seconds"`
	Failed   string    `json:"failed,omitempty"`
	Picked   bool      `json:"picked"`
	Resumed  bool      `json:"resumed"`
}

type guardReport struct {
	Learned   bool    `json:"learned"`
	BestArm   string  `json:"best_arm"`
	Gain      float64 `json:"gain"`
	Lower     float64 `json:"lower"`
	Upper     float64 `json:"upper"`
	Statement string  `json:"statement"`
}

func (t *campaignTraining) report(res *learner.Result, d *learner.Dataset, held []int) *trainingReport {
	g := res.Guard
	r := &trainingReport{
		Model: *t.out, Wrote: t.write, Picked: res.Card.Learner, Rows: d.Rows(), HeldOut: len(held), Offers: d.Offers,
		ArmRows: res.Card.Training.ArmRows,
		Guard:   guardReport{g.Learned, g.BestArm, g.Gain, g.Lower, g.Upper, g.Statement},
	}
	for _, l := range t.leftOut {
		r.LeftOut = append(r.LeftOut, leftOutReport(l))
	}
	for _, f := range res.Findings {
		r.Findings = append(r.Findings, f.String())
	}
	for _, c := range res.Table {
		r.Candidates = append(r.Candidates, candidateReport{
			Name: c.Name, Settings: c.Settings, Qini: c.Qini, Policy: c.Policy, Gain: c.Gain, GainSE: c.GainSE,
			Loss: c.Loss, LossSE: c.LossSE, Weight: c.Weight, Seconds: c.Seconds, Failed: c.Failed, Picked: c.Picked, Resumed: c.FromState,
		})
	}
	return r
}

func (r *trainingReport) table(w io.Writer) {
	row(w, "rows", r.Rows, heldOut(r.HeldOut))
	for a, offer := range append([]string{"no offer"}, r.Offers...) {
		if len(r.Offers) > 0 {
			row(w, "  "+offer, r.ArmRows[a])
		}
	}
	for _, l := range r.LeftOut {
		row(w, "left out", fmt.Sprint(l.Count, " ", l.Reason))
	}
	if len(r.Findings) == 0 {
		row(w, "data check", "nothing found")
	}
	for _, f := range r.Findings {
		row(w, "data check", f)
	}
	row(w)
	r.candidates(w)
	row(w)
	row(w, "picked", r.Picked)
	row(w, "guard", r.Guard.Statement)
	row(w, "wrote", r.Model, "("+r.Wrote+")")
}

func heldOut(rows int) string {
	if rows == 0 {
		return ""
	}
	return fmt.Sprintf("(%d more held out for `rebound evaluate`)", rows)
}

// candidates writes the table; a cell ends where a tab begins, so all lines
// have the same cells.
func (r *trainingReport) candidates(w io.Writer) {
	if len(r.Offers) == 0 {
		row(w, "  candidate", "weight", "settings")
		for _, c := range r.Candidates {
			row(w, c.mark(), fmt.Sprintf("%.2f", c.Weight), c.Settings)
		}
		return
	}
	head := []any{"  candidate"}
	for _, o := range r.Offers {
		head = append(head, "Qini "+o)
	}
	row(w, append(head, "policy", "gain over best arm", "loss ×1e3", "blend", "seconds", "settings")...)
	for _, c := range r.Candidates {
		row(w, c.cells(len(r.Offers))...)
	}
}

func (c *candidateReport) mark() string {
	if c.Picked {
		return "* " + c.Name
	}
	return "  " + c.Name
}

func (c *candidateReport) cells(offers int) []any {
	cells := []any{c.mark()}
	if c.Failed != "" {
		return append(cells, "failed: "+strings.ReplaceAll(c.Failed, "\n", "; "))
	}
	for a := range offers {
		cells = append(cells, fmt.Sprintf("%.5f", c.Qini[a]))
	}
	seconds := fmt.Sprintf("%.1f", c.Seconds)
	if c.Resumed {
		seconds += " (resumed)"
	}
	return append(cells, fmt.Sprintf("%.5g", c.Policy), fmt.Sprintf("%+.5f ± %.5f", c.Gain, c.GainSE),
		fmt.Sprintf("%+.3f ± %.3f", 1e3*c.Loss, 1e3*c.LossSE), fmt.Sprintf("%.2f", c.Weight), seconds, c.Settings)
}
