package rules_test

import (
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rebound-engine/rebound/rules"
)

const northEast = `apiVersion: rebound/v1
kind: GoalPolicy
metadata: {name: ne, scope: us.ne, version: 1}
spec:
  weights: {traffic: 1.8}
  bounds: {max_percent_off: 0.20}
  disableOffers: [pct-10]
  budgets: [{id: ne-week, limit: 90000.00, period: week}]
`

func TestEffectiveNamesOrigins(t *testing.T) {
	fsys := base(t)
	fsys["regions/us.ne.yaml"] = &fstest.MapFile{Data: []byte(northEast)}
	lines, exact := load(t, fsys).Effective("us.ne.0412")
	text := rules.FormatEffective(lines)
	for _, want := range []string{
		`chain: ["", "us.ne"]`, "traffic.weight: 1.8 of [0, 3]", "# us.ne, regions/us.ne.yaml:5:22", "max_percent_off: 0.2 ",
		"# us.ne, regions/us.ne.yaml:6:29", "max_liability: 40.00 USD", "# the company, company.yaml:34:50", "pct-10: disabled",
		"ne-week: 90000.00 USD per week of us.ne, hard, pacing none", "abuse-risk: customer.abuse_score < 0.85 else ABUSE_RISK", "requireLower: false",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q", want)
		}
	}
	if !exact || t.Failed() {
		t.Errorf("exact %t\n%s", exact, text)
	}
}

func TestDiffInWords(t *testing.T) {
	before, after := base(t), base(t)
	after["regions/us.ne.yaml"] = &fstest.MapFile{Data: []byte(northEast)}
	edit(t, after, "company.yaml", "value: 3.20", "value: 3.50")
	edit(t, after, "company.yaml", "customer.abuse_score < 0.85", "customer.abuse_score < 0.80")
	edit(t, after, "reference/stores.yaml", "cogs_rate: 0.55", "cogs_rate: 0.60")
	edit(t, after, "reference/categories.yaml", "0.48", "0.50")
	a, b := load(t, before), load(t, after)
	changes := rules.Diff(a, b)
	text := rules.FormatDiff(changes)
	for _, want := range []string{
		"goal traffic.value changes from 3.2 USD per visit to 3.5 USD per visit (the company, us.ne, us.ne.0412)\n",
		"constraint abuse-risk changes from customer.abuse_score < 0.85 else ABUSE_RISK to customer.abuse_score < 0.80 else ABUSE_RISK (the company, us.ne, us.ne.0412)\n",
		"goal traffic.weight changes from 1 of [0, 3] to 1.8 of [0, 3] (us.ne, us.ne.0412)\n",
		"offer pct-10 is switched off (us.ne, us.ne.0412)\n",
		"bound max_percent_off changes from 0.3 to 0.2 (us.ne, us.ne.0412)\n",
		"budget ne-week is new: 90000.00 USD per week of us.ne, hard, pacing none (us.ne, us.ne.0412)\n",
		"fact store.cogs_rate changes from 0.55 to 0.6 (us.ne.0412)\n",
		"category basics.margin_rate changes from 0.48 to 0.5 (the company)\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	if same := rules.Diff(a, load(t, base(t))); len(same) != 0 || rules.FormatDiff(same) != "no policy changes\n" {
		t.Errorf("%v", same)
	}
	files := base(t)
	files["README.md"], files["tests/more_test.yaml"] = &fstest.MapFile{Data: []byte("x")}, &fstest.MapFile{Data: []byte("x")}
	files["models/a.rbm"] = &fstest.MapFile{Data: []byte("x")}
	withModel := load(t, files)
	files["models/a.rbm"] = &fstest.MapFile{Data: []byte("yy")}
	const changedModel = "file models/a.rbm changes from 1 bytes, SHA-256 2d711642b726 to 2 bytes, SHA-256 ef90d9c1ec76 (the company, us.ne.0412)\n"
	if text := rules.FormatDiff(rules.Diff(withModel, load(t, files))); text != changedModel {
		t.Errorf("%s", text)
	}
	if text := rules.FormatDiff(rules.Diff(a, withModel)); !strings.HasPrefix(text, "file models/a.rbm is new: 1 bytes") || strings.Count(text, "\n") != 1 {
		t.Errorf("%s", text)
	}
	back := rules.FormatDiff(rules.Diff(b, a))
	if !strings.Contains(back, "offer pct-10 is switched on: percent_off for 2d") || !strings.Contains(back, "budget ne-week is gone") {
		t.Errorf("%s", back)
	}
	for _, c := range changes {
		if !slices.IsSorted(c.Scopes) {
			t.Errorf("%v", c.Scopes)
		}
	}
}

func TestSignatures(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	other := ed25519.NewKeyFromSeed([]byte(strings.Repeat("x", ed25519.SeedSize)))
	b := load(t, base(t))
	signature, err := rules.Sign(b.Digest(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, public := rules.EncodeKeys(key)
	readKey, err := rules.ParsePrivateKey(private)
	if err != nil || !readKey.Equal(key) {
		t.Fatal(err)
	}
	_, otherPublic := rules.EncodeKeys(other)
	trusted, err := rules.ParsePublicKeys(append(otherPublic, public...))
	if err != nil || len(trusted) != 2 {
		t.Fatal(err)
	}
	if err := rules.Verify(b.Digest(), signature+"\n", trusted); err != nil {
		t.Error(err)
	}
	for name, try := range map[string]error{
		"another key":    rules.Verify(b.Digest(), signature, trusted[:1]),
		"another digest": rules.Verify(strings.Repeat("0", 64), signature, trusted),
		"not base64":     rules.Verify(b.Digest(), "ed25519:!", trusted),
		"another scheme": rules.Verify(b.Digest(), "rsa:AAAA", trusted),
		"no keys":        rules.Verify(b.Digest(), signature, nil),
	} {
		if !errors.Is(try, rules.ErrSignature) {
			t.Errorf("%s: %v", name, try)
		}
	}
	if err := rules.Verify(b.Digest(), "", trusted); !errors.Is(err, rules.ErrUnsigned) {
		t.Error(err)
	}
	if _, err := rules.ParsePublicKeys([]byte("x")); err == nil {
		t.Error("no key was read")
	}
	if _, err := rules.ParsePrivateKey(public); err == nil {
		t.Error("a public key was read as private")
	}
	if _, err := rules.Sign(b.Digest(), nil); err == nil {
		t.Error("signed without a key")
	}
}
