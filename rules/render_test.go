package rules_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/rules/internal/testschema"
)

// TestThirtyMistakes: a bundle of 30 different mistakes reports all 30 in one run.
func TestThirtyMistakes(t *testing.T) {
	fsys := base(t)
	type mistake struct{ file, before, after, code string }
	company := "company.yaml"
	mistakes := []mistake{
		{company, "currency: USD", "currency: USD\n  curency: USD", "RB1007"},
		{company, "{event: store_visit, window: 30d}", "{event: store_visit, window: thirty}", "RB1016"},
		{company, "redeem: {event: redemption, window: validity}", "redeem: {event: redemption}", "RB1010"},
		{company, "redeem: {of: purchase}", "redeem: {of: purchse}", "RB3007"},
		{company, "visit: {without: 0.4, prior: {pct-10: {lift: 0.05, sd: 0.02}}}", "visit: {without: 1.4, prior: {pct-11: {lift: 0.05, sd: 0.02}}}", "RB1011"},
		{company, "unit: visit", "unit: [visit]", "RB1008"},
		{company, "value: 3.20", "value: 3.20\n      valu: 3", "RB1007"},
		{company, "expr: visit.with - visit.without", "expr: visit.with - cost.expected", "RB2004"},
		{company, "{default: 1.0, min: 0.0, max: 3.0}", "{default: 4.0, min: 0.0, max: 3.0}", "RB3002"},
		{company, "percent: 0.10", "percent: 10", "RB1011"},
		{company, "validity: 48h", "validity: 48", "RB1016"},
		{company, "eligible: ret.refund_value >= 15", "eligible: ret.refund_valu >= 15", "RB2002"},
		{company, "liability: offer.percent * basket.with", "liability: visit.with", "RB2004"},
		{company, "maxLiability: 20.00", "maxLiability: 20.001", "RB1017"},
		{company, "when: customer.abuse_score < 0.85", "when: customer.abuse_score", "RB2008"},
		{company, "reason: ABUSE_RISK", "reason: abuse risk", "RB1011"},
		{company, "max_percent_off: 0.30", "max_percent_off: 30", "RB1011"},
		{company, "when: goal.margin >= -2.0", "when: goal.margn >= -2.0", "RB2002"},
		{company, "{id: month, limit: 1000.00, period: month}", "{id: month!, limit: 1000.00, period: quarter}", "RB1012"},
		{company, "limit: 3,", "limit: 2.5,", "RB1008"},
		{company, "per: profile", "per: customer", "RB1011"},
		{company, "decision.used_personal_data, text", "request.channel == \"BORSI\", text", "RB2010"},
		{"reference/stores.yaml", "clearance: false", "clearance: no", "RB1009"},
		{"reference/stores.yaml", "cogs_rate: 0.55", "Cogs: 0.55", "RB1012"},
		{"reference/categories.yaml", "margin_rate: 0.48", "margin_rate: 48", "RB1011"},
	}
	regions := map[string]string{
		"regions/a.yaml": "bounds: {max_percent_off: 0.25, max_percent_off: 0.2}", "regions/b.yaml": "offers: []",
		"regions/c.yaml": "disableOffers: [pct-20]", "regions/d.yaml": "weights: {margin: 2}", "regions/e.yaml": "bounds: &b {}",
	}
	codes := map[string]string{"regions/a.yaml": "RB1004", "regions/b.yaml": "RB3003", "regions/c.yaml": "RB3007", "regions/d.yaml": "RB3002", "regions/e.yaml": "RB1005"}
	for _, m := range mistakes {
		edit(t, fsys, m.file, m.before, m.after)
	}
	for name, spec := range regions {
		scope := strings.TrimSuffix(filepath.Base(name), ".yaml")
		fsys[name] = &fstest.MapFile{Data: fmt.Appendf(nil, "apiVersion: rebound/v1\nkind: GoalPolicy\nmetadata: {name: x, scope: %s, version: 1}\nspec:\n  %s\n", scope, spec)}
	}
	found := diagnose(t, fsys)
	for _, m := range mistakes {
		if !slices.ContainsFunc(found, func(d rules.Diagnostic) bool { return d.Code == m.code && d.File == m.file }) {
			t.Errorf("%s of %q was not reported", m.code, m.after)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(regions)) {
		if !slices.ContainsFunc(found, func(d rules.Diagnostic) bool { return d.Code == codes[name] && d.File == name }) {
			t.Errorf("%s of %s was not reported", codes[name], name)
		}
	}
	if len(found) < 30 || !slices.IsSortedFunc(found, func(a, b rules.Diagnostic) int { return strings.Compare(a.File, b.File) }) {
		t.Errorf("%d diagnostics, or not sorted\n%s", len(found), rules.FormatText(found))
	}
}

func TestFormats(t *testing.T) {
	fsys := base(t)
	edit(t, fsys, "company.yaml", "customer.abuse_score <", "customer.abuse_scor <")
	ds := diagnose(t, fsys)
	sarif, err := rules.FormatSARIF(ds, "policies")
	if err != nil {
		t.Fatal(err)
	}
	var log struct {
		Runs []struct {
			Results []struct {
				RuleID    string
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine, StartColumn, EndColumn int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(sarif, &log); err != nil {
		t.Fatal(err)
	}
	place := log.Runs[0].Results[0].Locations[0].PhysicalLocation
	if place.ArtifactLocation.URI != "policies/company.yaml" || place.Region.StartLine != 33 || place.Region.EndColumn-place.Region.StartColumn != 19 {
		t.Errorf("sarif %+v", place)
	}
	github := rules.FormatGitHub(ds, "policies/")
	if !strings.HasPrefix(github, "::error file=policies/company.yaml,line=33,col=30,endColumn=49,title=RB2002::unknown name customer.abuse_scor (") || strings.Count(github, "\n") != 1 {
		t.Errorf("github %q", github)
	}
	body, err := rules.FormatJSON(ds)
	var parsed []map[string]any
	if err != nil || json.Unmarshal(body, &parsed) != nil || parsed[0]["nearest"] != "customer.abuse_score" || parsed[0]["docs"] != "docs/diagnostics/RB2002.md" {
		t.Errorf("json %s, %v", body, err)
	}
	if text := rules.FormatText(ds); !strings.HasSuffix(text, "1 error, 0 warnings\n") {
		t.Errorf("text %s", text)
	}
}

// TestDocumentation keeps docs/diagnostics equal to the table of codes.
func TestDocumentation(t *testing.T) {
	dir := filepath.Join("..", "docs", "diagnostics")
	pages := map[string]string{"README.md": rules.CodeIndex()}
	for _, c := range rules.Codes() {
		pages[c.Code+".md"] = rules.CodePage(c)
		if c.Title == "" || c.Why == "" {
			t.Errorf("%s is not documented", c.Code)
		}
	}
	if *update {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range pages {
		path := filepath.Join(dir, name)
		if *update {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil || string(data) != text {
			t.Errorf("%s is not as generated (go test ./rules -update): %v", path, err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != len(pages) {
		t.Errorf("%d files in docs/diagnostics for %d pages: %v", len(files), len(pages), err)
	}
}

// TestSameFilesInAnyOrder: the digest and the policies do not depend on how the
// files come.
func TestSameFilesInAnyOrder(t *testing.T) {
	first := load(t, base(t))
	for range 5 {
		if b := load(t, base(t)); b.Digest() != first.Digest() {
			t.Fatal("another digest for the same files")
		}
	}
	changed := base(t)
	changed["tests/note.txt"] = &fstest.MapFile{Data: []byte("x")}
	if b := load(t, changed); b.Digest() == first.Digest() {
		t.Error("a new file leaves the digest as it was")
	}
	moved := fstest.MapFS{}
	maps.Copy(moved, base(t))
	moved[".hidden"] = &fstest.MapFile{Data: []byte("x")}
	if b := load(t, moved); b.Digest() != first.Digest() {
		t.Error("a hidden file changes the digest")
	}
	if _, err := first.File("nothing"); err == nil {
		t.Error("a missing file was found")
	}
	if _, err := rules.Load(fstest.MapFS{}, testschema.Schema()); err == nil {
		t.Error("an empty bundle loads")
	}
}
