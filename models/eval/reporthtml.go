package eval

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed report.html
var reportTemplate string

// page is what the template shows: the report with its charts laid out.
type page struct {
	Report
	LevelText string
	Groups    []upliftGroup
	Uplifts   []upliftPage
	Values    []policyPage
	Levels    []binaryPage
	Bars      *rowChart
	SHAP      []attributionPage
	Alarms    int
}

type upliftPage struct {
	Uplift
	ID     string
	Charts []chart
}

// upliftGroup is several models for the same arm and outcome.
type upliftGroup struct {
	ID     string
	Models []Uplift
	Chart  chart
}

type policyPage struct {
	PolicyReport
	Chart rowChart
}

type binaryPage struct {
	Binary
	Chart chart
}

// WriteHTML writes the report as one page that needs nothing else: styles and
// plots are inside, there are no scripts, and it reads well in light, dark and
// print.
func (r Report) WriteHTML(w io.Writer) error {
	if err := r.check(); err != nil {
		return fmt.Errorf("write report %q as html: %w", r.Title, err)
	}
	t, err := template.New("report").Funcs(template.FuncMap{
		"amount": amount, "effect": effect, "size": size, "percent": percent, "proven": proven,
		"short":  func(v float64) string { return fmt.Sprintf("%.4g", v) },
		"short3": func(v float64) string { return fmt.Sprintf("%.3g", v) },
		"signed": func(v float64) string { return fmt.Sprintf("%+.4g", v) },
		"count":  count, "inc": func(i int) int { return i + 1 },
		"half":  func(a, b float64) float64 { return (a + b) / 2 },
		"add":   func(a, b float64) float64 { return a + b },
		"moved": movement, "moves": signedMovement,
	}).Parse(reportTemplate)
	if err != nil {
		return fmt.Errorf("write report %q as html: %w", r.Title, err)
	}
	if err := t.Execute(w, r.page()); err != nil {
		return fmt.Errorf("write report %q as html: %w", r.Title, err)
	}
	return nil
}

func (r Report) page() page {
	p := page{Report: r, LevelText: fmt.Sprintf("%.4g %%", 100*r.level())}
	for _, v := range r.Policies {
		p.Values = append(p.Values, policyPage{PolicyReport: v, Chart: policyChart(v)})
	}
	for i, u := range r.Uplift {
		charts := []chart{gainChart(u, r.level()), upliftChart(u), tocChart(u)}
		if u.Calibration != nil {
			charts = append(charts, effectChart(u))
		}
		p.Uplifts = append(p.Uplifts, upliftPage{Uplift: u, ID: fmt.Sprintf("uplift-%d", i+1), Charts: charts})
	}
	p.Groups = r.groups()
	for _, m := range r.Binary {
		p.Levels = append(p.Levels, binaryPage{Binary: m, Chart: levelChart(m)})
	}
	if len(r.Importance) > 0 {
		c := importanceChart(r.Importance, r.ImportanceOf)
		p.Bars = &c
	}
	for i, a := range r.Attributions {
		p.SHAP = append(p.SHAP, newAttributionPage(i, a))
	}
	for _, c := range r.Checks {
		if c.Alarm {
			p.Alarms++
		}
	}
	return p
}

// groups collects the arms and outcomes for which there are several models.
func (r Report) groups() []upliftGroup {
	type key struct{ arm, outcome string }
	at := map[key]int{}
	var all []upliftGroup
	for _, u := range r.Uplift {
		k := key{u.Arm, u.Outcome}
		i, ok := at[k]
		if !ok {
			i = len(all)
			at[k] = i
			all = append(all, upliftGroup{ID: fmt.Sprintf("models-%d", i+1)})
		}
		all[i].Models = append(all[i].Models, u)
	}
	var out []upliftGroup
	for _, g := range all {
		if len(g.Models) > 1 {
			g.Chart = sideBySide(g.Models)
			out = append(out, g)
		}
	}
	return out
}

// count writes a whole number with thousands separated.
func count(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
