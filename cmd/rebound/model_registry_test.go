package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/rebound-engine/rebound/models"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// answer runs the command line with -o json and reads the message it prints.
func answer[M proto.Message](t testing.TB, into M, args ...string) M {
	t.Helper()
	if err := protojson.Unmarshal([]byte(must(t, append(args, "-o", "json")...)), into); err != nil {
		t.Fatal(err)
	}
	return into
}

// freeAddress is a loopback address nothing listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	return lis.Addr().String()
}

// flatModel is a model file that gives everybody the same chance; what offers
// add stays assumed.
func flatModel(t testing.TB, chance float64) string {
	t.Helper()
	m, err := models.NewUplift(models.UpliftSpec{
		Schema:     models.Schema{Outcome: "purchase", Unit: "probability", Features: []models.Feature{{Name: "ret.refund_value"}}},
		Predictors: []models.Predictor{{Linear: &models.Linear{Intercept: chance, Terms: []models.LinearTerm{{}}}}},
		Without:    models.Sum{Parts: []models.Part{{Weight: 1}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	card := models.Card{Training: &models.Training{To: time.Date(2026, 5, 31, 0, 0, 0, 0, time.UTC)}, Reference: []models.Distribution{
		{Name: models.ReferenceWithout, Counts: []float64{100, 0}}, {Name: "ret.refund_value", Edges: []float64{50}, Counts: []float64{50, 50, 0}},
	}}
	data, err := models.Encode(m, card)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "flat.rbm", string(data))
}

// TestModelCareer trains on a simulated retailer's log and lets the model watch; it
// adds nothing to the one in use, and so is no champion. Another one, calibrated on what it
// was judged by, gets a share of the customers, across a restart of the server.
func TestModelCareer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	store, file, metrics := filepath.Join(dir, "store"), filepath.Join(t.TempDir(), "summer.rbm"), freeAddress(t)
	must(t, "demo", "--customers", "800", "--dir", dir)
	must(t, "train", "--store", store, "--currency", "USD", "--timezone", "America/New_York", "--until", "2026-06-01", "--out", file)
	server := []string{"--store", store, "--clock", "events", "--promotion-decisions", "100", "--promotion-days", "20", "--promotion-max-loss", "10", "--metrics-address", metrics}
	s := serve(t, nil, server...)
	on := func(args ...string) []string { return append(args, "--addr", s.addr) }

	refused(t, exitFailed, []string{"absent.rbm"}, on("model", "register", "absent.rbm")...)
	refused(t, exitFailed, []string{"INVALID_FIELD", "model"}, on("model", "register", writeFile(t, "junk.rbm", "junk"), "--outcome", "purchase")...)
	refused(t, exitFailed, []string{"sales", "purchase, visit"}, on("model", "register", file, "--outcome", "sales")...)
	m := answer(t, new(pb.Model), on("model", "register", file, "--by", "ann", "--name", "summer", "--request-id", "r1")...)
	if again := answer(t, new(pb.Model), on("model", "register", file, "--request-id", "r1")...); again.GetVersion() != m.GetVersion() {
		t.Errorf("a repeated request made version %d of %d", again.GetVersion(), m.GetVersion())
	}
	id := m.GetDigest()[:8]
	refused(t, exitUsage, []string{"--to king"}, on("model", "promote", id, "--to", "king")...)
	refused(t, exitFailed, []string{"MODEL_STEP"}, on("model", "promote", id, "--to", "champion")...)
	refused(t, exitFailed, []string{"STALE_VERSION"}, on("model", "promote", id, "--to", "shadow", "--expect", "1")...)
	must(t, on("model", "promote", id, "--to", "shadow", "--by", "ann", "--reason", "to watch it")...)
	refused(t, exitFailed, []string{"PROMOTION_REFUSED", "lower bound must be above 0"}, on("model", "promote", id, "--to", "champion")...)
	e := answer(t, new(pb.ModelEvidence), on("model", "promote", id, "--dry-run")...)
	if e.GetDecisions() < 100 || e.GetAgainst() != "bundle" || e.GetCalibration() == nil || len(e.GetInputs()) < 20 {
		t.Errorf("evidence %v", e)
	}
	if out := must(t, on("model", "drift", id)...); !strings.Contains(out, "score score.without") || !strings.Contains(out, "calibration") {
		t.Errorf("drift\n%s", out)
	}
	shadowed := decisionOn(t, s.addr, "before")
	if x := shadowed.GetExplanation().GetShadows(); len(x) != 1 || x[0].GetDigest() != m.GetDigest() || len(x[0].GetScores()) == 0 || shadowed.GetProvenance().GetModels()[0].GetDigest() == m.GetDigest() {
		t.Errorf("shadows %v of a decision by %v", x, shadowed.GetProvenance().GetModels())
	}

	m = answer(t, new(pb.Model), on("model", "register", flatModel(t, e.GetCalibration().GetObserved()-0.05), "--outcome", "purchase")...)
	id = m.GetDigest()
	must(t, on("model", "promote", id, "--to", "shadow", "--reason", "to watch it")...)
	must(t, on("model", "promote", id, "--to", "challenger", "--share", "0.2", "--by", "ann")...)
	before := must(t, on("model", "list")...)
	body := scrape(t, metrics)
	for _, want := range []string{`rebound_model_share{digest="` + m.GetDigest()[:12] + `",outcome="purchase",role="challenger"} 0.2`, "rebound_model_input_psi_max{", "rebound_model_score_psi_max{", "rebound_model_calibration_alarm{"} {
		if !strings.Contains(body, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s = serve(t, nil, server...)
	if after := must(t, on("model", "list")...); after != before || !strings.Contains(after, "challenger  0.2") {
		t.Errorf("after a restart\n%sbefore\n%s", after, before)
	}
	arms := map[string]int{}
	for i := range 40 {
		d := decisionOn(t, s.addr, fmt.Sprint("c", i))
		arm, byModel := d.GetArms()[0], d.GetProvenance().GetModels()[0].GetDigest() == m.GetDigest()
		if arm.GetExperimentId() != "model purchase" || byModel != (arm.GetArm() == "challenger") || arm.GetChance() == 0 {
			t.Fatalf("arm %v of a decision by %v", arm, d.GetProvenance().GetModels())
		}
		arms[arm.GetArm()]++
	}
	if arms["challenger"] == 0 || arms["bundle"] < arms["challenger"] {
		t.Errorf("arms %v", arms)
	}
	refused(t, exitFailed, []string{"MODEL_STEP", "no champion"}, on("model", "rollback", "purchase")...)
	must(t, on("model", "promote", id, "--to", "retired", "--by", "bob", "--reason", "enough seen")...)
	career := must(t, on("model", "list", id)...)
	for _, want := range []string{"registered", "shadow", "to watch it", "challenger of 0.2", "against the bundle on", "retired", "bob", "enough seen"} {
		if !strings.Contains(career, want) {
			t.Errorf("the career lacks %q\n%s", want, career)
		}
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if r := checked(t, store); len(r.Problems) > 0 {
		t.Errorf("check: %v", r.Problems)
	}
}

// decisionOn decides a return of somebody new and reads the decision back.
func decisionOn(t testing.TB, addr, who string) *pb.DecideResponse {
	t.Helper()
	in := strings.Replace(returnRequest(t, "career-"+who, "anna", who), `"consent"`, `"explain": "EXPLAIN_FULL", "consent"`, 1)
	out, errOut, code := piped(t, in, "decide", "--addr", addr, "-o", "json")
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	d := new(pb.DecideResponse)
	if err := protojson.Unmarshal([]byte(out), d); err != nil {
		t.Fatal(err)
	}
	return d
}

func scrape(t testing.TB, addr string) string {
	t.Helper()
	resp, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
