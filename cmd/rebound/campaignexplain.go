package main

import (
	"errors"
	"fmt"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/eval"
	"github.com/rebound-engine/rebound/models/learner"
)

// explainedRows is how many rows a report's SHAP values are of.
const explainedRows = 600

// explain attributes a model's predictions on some of the judged rows to its
// features. A model that cannot be explained gets a note.
func (j *judged) explain(r *eval.Report) error {
	u, ok := j.model.(*models.Uplift)
	if !ok {
		return nil
	}
	d := j.aligned
	var rows []int
	for i := 0; i < d.Rows(); i += max(1, (d.Rows()+explainedRows-1)/explainedRows) {
		rows = append(rows, i)
	}
	x, err := newExplainedRows(u, d.Subset(rows))
	if errors.Is(err, models.ErrNotExplainable) {
		r.Notes = append(r.Notes, "There are no SHAP values: "+err.Error()+". Train the model again to get them.")
		return nil
	}
	if err != nil {
		return err
	}
	for arm, offer := range u.Schema().Offers {
		if err := x.add(r, "effect of "+offer+" on "+j.data.Outcome, effectWords(x.of.Effect(arm)), x.of.Effect(arm), x.effects[arm]); err != nil {
			return err
		}
	}
	return x.add(r, j.data.Outcome+" without an offer", levelWords(x.of.Without()), x.of.Without(), x.without)
}

// rowsExplained is a model's attributions on rows.
type rowsExplained struct {
	of       *models.UpliftExplainer
	data     *learner.Dataset
	category []bool
	without  [][]float64   // per row
	effects  [][][]float64 // per offer, per row
}

func newExplainedRows(u *models.Uplift, d *learner.Dataset) (*rowsExplained, error) {
	background := make([][]float64, d.Rows())
	for i := range background {
		background[i] = make([]float64, len(d.Features))
		d.Row(i, background[i])
	}
	of, err := models.NewUpliftExplainer(u, background)
	if err != nil {
		return nil, err
	}
	x := &rowsExplained{of: of, data: d, effects: make([][][]float64, len(u.Schema().Offers))}
	for _, f := range d.Features {
		x.category = append(x.category, f.Type == models.Category)
	}
	for _, row := range background {
		without, effects := make([]float64, len(row)+1), make([][]float64, len(x.effects))
		for arm := range effects {
			effects[arm] = make([]float64, len(row)+1)
			x.effects[arm] = append(x.effects[arm], effects[arm])
		}
		of.Explain(row, without, effects)
		x.without = append(x.without, without)
	}
	return x, nil
}

func (x *rowsExplained) add(r *eval.Report, of, words string, scale models.Explained, shap [][]float64) error {
	unit := x.data.Unit
	switch scale.Link {
	case models.LinkLogistic:
		unit = "log-odds"
	case models.LinkExp:
		unit = "log"
	}
	names := make([]string, len(x.data.Features))
	for j, f := range x.data.Features {
		names[j] = f.Name
	}
	a, err := eval.Attribute(eval.Explained{
		Of: of, Words: words, Unit: unit, Exact: scale.Exact, Features: names, Category: x.category, Columns: x.data.X, SHAP: shap,
	})
	if err != nil {
		return fmt.Errorf("explain the %s: %w", of, err)
	}
	if len(a.Features) == 0 {
		a.Words = "Nothing moves it: it is the same for everybody."
	}
	r.Attributions = append(r.Attributions, a)
	return nil
}

// effectWords say what the values of an effect add up to.
func effectWords(e models.Explained) string {
	switch {
	case !e.Exact:
		return "The values add up to the calibrated effect less its base. The model blends effects with differences of chances, whose Shapley values in log-odds are scaled to chances: shares, not exact Shapley values."
	case e.Link == models.LinkLogistic:
		return "Exact SHAP values in log-odds: they add up to the log-odds with the offer less those without, scaled as the effects are."
	case e.Link == models.LinkExp:
		return "Exact SHAP values of logarithms: they add up to the logarithm of the level with the offer over that without, scaled as the effects are."
	}
	return "Exact SHAP values: they add up to the calibrated effect less its base."
}

func levelWords(e models.Explained) string {
	switch {
	case !e.Exact:
		return "The values add up to the level less its base, before calibration: shares, not exact Shapley values."
	case e.Link == models.LinkLogistic:
		return "Exact SHAP values in log-odds: they add up to the model's mean log-odds, before calibration."
	case e.Link == models.LinkExp:
		return "Exact SHAP values of logarithms: they add up to the model's mean logarithm of the level, before calibration."
	}
	return "Exact SHAP values: they add up to the level less its base, before calibration."
}
