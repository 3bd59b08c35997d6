package eval

import (
	"encoding/json"
	"fmt"
	"io"
)

// Report is one evaluation, to be written as text, JSON or an HTML page. Parts
// that are empty are left out of every form.
type Report struct {
	Title   string `json:"title"`
	Subject string `json:"subject,omitempty"` // data and split, in a sentence
	// Card is the model card: what a reader must know before trusting the model.
	Card        []Fact         `json:"card,omitempty"`
	Policies    []PolicyReport `json:"policies,omitempty"`
	Uplift      []Uplift       `json:"uplift,omitempty"`
	Binary      []Binary       `json:"binary,omitempty"`
	Comparisons []Comparison   `json:"comparisons,omitempty"`
	// Importance is by falling drop, in the metric named by ImportanceOf.
	Importance   []Importance `json:"importance,omitempty"`
	ImportanceOf string       `json:"importance_of,omitempty"`
	// Attributions say what moves the model's predictions.
	Attributions []Attribution `json:"attributions,omitempty"`
	Checks       []Check       `json:"checks,omitempty"`
	Tables       []Listing     `json:"tables,omitempty"`
	Level        float64       `json:"level"` // of all intervals; 0 means 0.95
	Notes        []string      `json:"notes,omitempty"`
}

// Fact is a line of a model card.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Check is the outcome of a test of the data or the model, such as a sample
// ratio, a calibration alarm or the drift of a feature.
type Check struct {
	Name  string `json:"name"`
	Words string `json:"words"`
	Alarm bool   `json:"alarm"`
}

// Listing is a table of ready-made text, such as published results of other
// packages to read beside one's own. Rows have as many cells as Columns.
type Listing struct {
	Title   string     `json:"title"`
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
	Note    string     `json:"note,omitempty"`
}

// RatioCheck words a sample-ratio test.
func RatioCheck(t RatioTest) Check {
	words := fmt.Sprintf("The arms were filled as intended (chi-square %.3g, p = %.3g).", t.ChiSquare, t.P)
	if t.Mismatch {
		words = fmt.Sprintf("The arms were not filled as intended (chi-square %.3g, p = %.2g): trust no effect below.", t.ChiSquare, t.P)
	}
	return Check{Name: "sample ratio", Words: words, Alarm: t.Mismatch}
}

// ShiftCheck words the drift of a feature or score.
func ShiftCheck(name string, s Shift) Check {
	return Check{
		Name:  "drift of " + name,
		Words: fmt.Sprintf("%s: PSI %.3f, %.3f expected by chance (p = %.2g).", s.Level, s.PSI, s.Noise, s.P),
		Alarm: s.Level != Stable,
	}
}

// LevelCheck words a calibration check.
func LevelCheck(model string, c CalibrationCheck) Check {
	return Check{Name: "calibration of " + model, Words: c.Words, Alarm: c.Alarm}
}

// check refuses a report that was not filled by this package, such as one read
// from a damaged file.
func (r Report) check() error {
	for _, u := range r.Uplift {
		if len(u.Curve) < 2 || len(u.Perfect) < 2 || len(u.At) < 3 || u.Calibration != nil && len(u.Calibration.Bins) == 0 {
			return fmt.Errorf("uplift of %q for %q lacks its curves: %w", u.Model, u.Arm, ErrColumns)
		}
	}
	for _, p := range r.Policies {
		arms := len(p.Guard.Arms)
		if len(p.Guard.Singles) != arms || len(p.Guard.Treated) != arms || len(p.Policies) != arms+1 ||
			p.Guard.Best < 0 || p.Guard.Best >= arms {
			return fmt.Errorf("policy of %q lacks its arms: %w", p.Model, ErrColumns)
		}
	}
	return nil
}

func (r Report) level() float64 {
	if r.Level == 0 {
		return 0.95
	}
	return r.Level
}

// WriteJSON writes the report as indented JSON. Every number in it is finite.
func (r Report) WriteJSON(w io.Writer) error {
	r.Level = r.level()
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write report %q as json: %w", r.Title, err)
	}
	return nil
}
