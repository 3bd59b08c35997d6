package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rebound-engine/rebound/models/eval"
)

// A report says what moves the effect of every offer, and on which scale.
func TestEvaluateExplains(t *testing.T) {
	table, mapping := campaignTable(t, 3000)
	page := filepath.Join(t.TempDir(), "report.html")
	for write, exact := range map[string]bool{writeLearned: true, writeFallback: false} {
		model, _ := trained(t, table, mapping, "--write", write)
		r := decoded[eval.Report](t, "evaluate", "--data", table, "-m", mapping, "--model", model, "--replicates", "10", "--html", page)
		if len(r.Attributions) != 5 {
			t.Fatalf("%d attributions, want 4 offers' and the level's", len(r.Attributions))
		}
		for _, a := range r.Attributions[:4] {
			// Two linear S-learners: differences of chances, exact in log-odds.
			if exact && (!a.Exact || a.Unit != "log-odds" || len(a.Features) < 5 || len(a.Features[0].Points) < 100) {
				t.Errorf("learned: %+v", a)
			}
			if !exact && (len(a.Features) > 0 || !strings.Contains(a.Words, "the same for everybody")) {
				t.Errorf("fallback: %+v", a)
			}
		}
		if level := r.Attributions[4]; !strings.Contains(level.Of, "without an offer") || len(level.Features) < 5 {
			t.Errorf("level: %+v", level)
		}
		if html := fileText(t, page); !strings.Contains(html, "What moves the effect of percent on purchase") || strings.Count(html, `class="dot high" cx=`) < 100 {
			t.Errorf("%s: the page lacks the plot", write)
		}
	}
}
