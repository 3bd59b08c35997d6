package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rebound-engine/rebound/models"
)

const (
	retailMapping  = "../../examples/online-retail/mapping.yaml"
	retailPolicies = "../../examples/online-retail/policies"
)

func retailTable(t testing.TB) string {
	t.Helper()
	return sample(t, "data", "online_retail_uci", "online_retail_2010_2011.csv.gz")
}

// TestTrainAndEvaluateOnRealReturns: the counts of the first run on real input.
func TestTrainAndEvaluateOnRealReturns(t *testing.T) {
	table, dir := retailTable(t), t.TempDir()
	store, model := filepath.Join(dir, "store"), filepath.Join(dir, "baseline.rbm")
	got := decoded[ingestReport](t, "ingest", table, "--mapping", retailMapping, "--store", store, "--rejects", filepath.Join(dir, "rejects.csv"), "--state", filepath.Join(dir, "state.json"))
	if got.Rows != 541909 || got.Anonymous+got.AnonymousDuplicate != 135080 || got.Duplicate != 5268 || got.Accepted != got.Purchases+got.Returns || got.Rejected != 0 || len(got.EventsRejected) != 0 {
		t.Errorf("ingest: %+v", got)
	}
	log := []string{"--store", store, "--currency", "GBP", "--timezone", "Europe/London"}
	must(t, append([]string{"train", "--until", "2011-09-01", "--out", model}, log...)...)
	card := cardOf(t, model)
	if last := card.Training.To; !last.Add(30 * 24 * time.Hour).Before(time.Date(2011, 9, 1, 0, 0, 1, 0, time.UTC)) {
		t.Errorf("learned from a return of %v", last)
	}
	evaluate := append([]string{"evaluate", "--model", model, "--from", "2011-09-01", "--until", "2011-11-09"}, log...)
	comparison := decoded[struct {
		First struct {
			Rows int `json:"rows"`
			AUC  struct {
				Value float64 `json:"value"`
			} `json:"auc"`
		} `json:"first"`
	}](t, evaluate...)
	if comparison.First.Rows != 700 || comparison.First.AUC.Value < 0.7 {
		t.Errorf("evaluate: %+v", comparison)
	}
	table = must(t, evaluate...)
	for _, want := range []string{"AUC", "og loss", "recency, frequency, value"} {
		if !strings.Contains(table, want) {
			t.Errorf("evaluate lacks %q:\n%s", want, table)
		}
	}
	early := append([]string{"evaluate", "--model", model, "--from", "2011-07-01"}, log...)
	refused(t, exitUsage, []string{model, "--from 2011-07-01", "later returns"}, early...)
}

func cardOf(t testing.TB, path string) *models.Card {
	t.Helper()
	card, err := models.ReadCard([]byte(fileText(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	return card
}

// habits is a table in which frequent customers buy again after a return and others do not.
func habits(days int) string {
	var b strings.Builder
	b.WriteString(shopHeader)
	start := time.Date(2025, 1, 1, 9, 0, 0, 0, time.UTC)
	for d := range days {
		at := start.AddDate(0, 0, d)
		for c := range 30 {
			every := 9 + 7*(c%10)
			switch {
			case d%every == c%every:
				fmt.Fprintf(&b, "%d-%d,shirt,1,%s,%d.00,customer-%d\n", d, c, at.Add(time.Duration(c)*time.Minute).Format(time.DateTime), 10+c, c)
			case d > 40 && d%17 == c%17:
				fmt.Fprintf(&b, "R%d-%d,shirt,-1,%s,%d.00,customer-%d\n", d, c, at.Add(time.Duration(c)*time.Minute).Format(time.DateTime), 10+c, c)
			}
		}
	}
	return b.String()
}

// TestTrainNeverKnowsLater: what is recorded after --until changes nothing about the model.
func TestTrainNeverKnowsLater(t *testing.T) {
	short, long := newShop(t, habits(200)), newShop(t, habits(320))
	until := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, 200).Format(time.DateOnly)
	var data []string
	for _, s := range []shop{short, long} {
		must(t, s.args()...)
		out := filepath.Join(filepath.Dir(s.store), "models", "baseline.rbm")
		must(t, "train", "--store", s.store, "--currency", "USD", "--until", until, "--out", out)
		data = append(data, fileText(t, out))
	}
	if data[0] != data[1] {
		t.Error("a longer log gives another model")
	}
	later := filepath.Join(t.TempDir(), "later.rbm")
	must(t, "train", "--store", long.store, "--currency", "USD", "--out", later)
	if fileText(t, later) == data[0] {
		t.Error("later returns change nothing: the test compares nothing")
	}
	refused(t, exitFailed, []string{"train: ", "at least 100", "--horizon"}, "train", "--store", long.store, "--currency", "USD", "--until", "2025-02-20", "--out", later)
	refused(t, exitFailed, []string{"no.rbm"}, "evaluate", "--store", long.store, "--currency", "USD", "--from", until, "--model", "no.rbm")
	refused(t, exitFailed, []string{"mapping.yaml"}, "evaluate", "--store", long.store, "--currency", "USD", "--from", until, "--model", long.mapping)
}

// TestReplay decides real returns over gRPC: two runs give one digest, and so does one that is killed half-way and goes on.
func TestReplay(t *testing.T) {
	dir := t.TempDir()
	table := filepath.Join(dir, "winter.csv.gz")
	until(t, retailTable(t), table, "2011-02-20")
	policies := filepath.Join(dir, "policies")
	if err := os.CopyFS(policies, os.DirFS(retailPolicies)); err != nil {
		t.Fatal(err)
	}
	history := filepath.Join(dir, "history")
	must(t, "ingest", table, "--mapping", retailMapping, "--store", history)
	must(t, "train", "--store", history, "--currency", "GBP", "--timezone", "Europe/London", "--until", "2011-02-15", "--out", filepath.Join(policies, "models", "baseline.rbm"))
	args := []string{"replay", table, "--mapping", retailMapping, "--policies", policies, "--from", "2011-02-15", "--until", "2011-02-19"}

	first := decoded[replayReport](t, args...)
	offers := 0
	for _, n := range first.Offers {
		offers += n
	}
	if first.Returns < 10 || first.Returns != offers+first.NoOffer+first.HeldOut+first.Fallback || first.Fallback != 0 || len(first.Digest) < 32 || first.Entries < first.Returns || first.P50 <= 0 || first.P99 < first.P50 {
		t.Errorf("%+v", first)
	}
	if first.Spend["month 2011-02-01"] == nil || first.Spend["month 2011-02-01"].Offers != offers {
		t.Errorf("spend %+v, %d offers", first.Spend, offers)
	}
	second := decoded[replayReport](t, args...)
	if second.Digest != first.Digest || second.Entries != first.Entries {
		t.Errorf("two runs: %s of %d and %s of %d", first.Digest, first.Entries, second.Digest, second.Entries)
	}
	if other := decoded[replayReport](t, append(slices.Clone(args), "--salt", "other")...); other.Digest == first.Digest {
		t.Error("another salt draws the same: the digest compares nothing")
	}

	store := filepath.Join(dir, "replay")
	killed := append(slices.Clone(args), "--store", store)
	half := killHalfway(t, store, history, killed)
	again := decoded[replayReport](t, killed...)
	if again.Digest != first.Digest || again.Entries != first.Entries {
		t.Errorf("killed at position %d: %s of %d, want %s of %d", half, again.Digest, again.Entries, first.Digest, first.Entries)
	}
	if r := checked(t, store); len(r.Problems) > 0 {
		t.Errorf("check: %v", r.Problems)
	}
}

// killHalfway runs the command and kills it when its log is half as long as that
// of a store with the same events; it returns the last position.
func killHalfway(t testing.TB, store, like string, args []string) uint64 {
	t.Helper()
	segment := slices.Min(segments(t, like))
	half := int64(strings.LastIndexFunc(fileText(t, segment), func(r rune) bool { return r != 0 })) / 2
	cmd := subprocess(t, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); !written(filepath.Join(store, "log", filepath.Base(segment)), half); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the replay does not come half-way")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the replay was complete before it could be killed")
	}
	return uint64(checked(t, store).Last)
}

// written tells whether a file, which may not be there yet, holds more than zeros just after an offset.
func written(path string, offset int64) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	data := make([]byte, 4<<10)
	n, _ := f.ReadAt(data, offset)
	return len(bytes.Trim(data[:n], "\x00")) > 0
}

// until copies the rows of the real table before a day.
func until(t testing.TB, from, to, day string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	z, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	w := gzip.NewWriter(out)
	s := bufio.NewScanner(z)
	for n := 0; s.Scan(); n++ {
		if n > 0 && strings.Contains(s.Text(), day) {
			break
		}
		if _, err := fmt.Fprintln(w, s.Text()); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{s.Err(), w.Close(), out.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestReplayRefuses(t *testing.T) {
	s := newShop(t, shopTable)
	args := func(from, until, policies string) []string {
		return []string{"replay", s.table, "--mapping", s.mapping, "--policies", policies, "--from", from, "--until", until}
	}
	refused(t, exitUsage, []string{"--until", "RFC 3339"}, args("2026-03-01", "never", goodBundle)...)
	refused(t, exitCompile, []string{"RB"}, args("2026-03-01", "2026-04-01", brokenBundle)...)
}
