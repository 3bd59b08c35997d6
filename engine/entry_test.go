package engine

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/models/registry"
	"github.com/rebound-engine/rebound/store"
)

// fullDecision has every field set, so that a field the codec forgets is noticed.
func fullDecision() *decisionEntry {
	at := time.Date(2026, 10, 5, 15, 0, 0, 5e6, time.UTC)
	d := &Decision{
		ID: "d1", RequestID: "r1", Supersedes: "d0", Time: at, Customer: profile.Identity{Namespace: "n", Value: "v"}, Subject: store.Subject{1},
		ReturnKey: "0102030405060708", Household: "h", AssociateID: "a", Scope: "us.ne", Channel: profile.ChannelBORIS, Phase: PhaseRefunded,
		Currency: "USD", Exponent: 2, Consent: true, Personal: true, Outcome: OutcomeHoldout, Assigned: "o", Delivered: None, HeldOut: true,
		Offer: &Terms{OfferID: "o", Kind: "bogo", Params: []Param{{Name: "p", Number: 0.5}, {Name: "t", Text: "x", IsText: true}}, Ceiling: 500,
			ValidFrom: at, Expires: at.Add(time.Hour), Channels: []string{"STORE", ""}, Categories: []string{"shoes"}},
		Disclosures: []Disclosure{{"x", "text"}}, Propensity: 0.25,
		Candidates: []Candidate{{Offer: None, Fits: true}, {
			Offer: "o", Kind: "bogo", Stage: StageChosen, Reason: ReasonExploreLimit, Rule: RuleRef{"r", "f", 1, 2, "s"}, Detail: "why", Ceiling: 500,
			LiabilityCost: 123, Liability: 1.23, RedeemChance: 0.5, ExpectedCost: 0.615,
			Outcomes: []OutcomeScore{{"purchase", 0.1, 0.2, -0.1, 0.3, true, RungPrior}}, Goals: []GoalValue{{"g", "visit", -1, 2, 3, -6, true}},
			Charges: []Charge{{"b", 1, 0.615}}, Scored: true, Score: math.Inf(-1), LowerScore: -7, Fits: true, PChoice: 0.25, PShown: 0.125,
		}},
		Budgets:    []BudgetUse{{"b", "us", "expected", "dual", at, at.Add(time.Hour), 1, 2, 3, 4, 0.5, 6}},
		Draw:       Draw{"epsilon", 1<<63 + 1, 7, "o", true, 0.1, 0.2, 0.3, 0.4, 2, 0.5, "h"},
		Arms:       []Arm{{"e", "treated", 0.75, 0.5}},
		Provenance: Provenance{"b", 3, "digest", "us", true, []string{"", "us"}, []ModelRef{{"purchase", "f", "d", true}}, 9, time.Hour, "seed"},
		Degraded:   []Degradation{{"s", RungNone, "c"}},
		Timings:    Timings{1, 2, 3, 4, 5, 6},
		MarginRate: 0.4,
		Shadows:    []ShadowScores{{"purchase", "d", "", []ShadowScore{{"o", 0.1, 0.2, -0.1, 0.3}}}, {"visit", "e", "no answer", nil}},
		Variables: []Variable{{"a", NumberValue, math.NaN(), "", nil, 1}, {"b", BoolValue, 1, "", nil, 0}, {"c", StringValue, 0, "text", nil, 2},
			{"d", StringsValue, 0, "", []string{"", "x"}, 0}},
	}
	charges := []chargeRef{{"b", 1, 2, 3}}
	return &decisionEntry{Decision: d, body: [16]byte{1, 2}, ledger: ledgerChange{
		reserve: &reservation{id: "d1", offer: "o", ceiling: 5, expected: 4, issued: 3, expires: 9, ghost: true, associate: "a", household: "h", charges: charges},
		release: &released{"d0", "a", "h", 4}, present: &released{"d", "", "", 0},
		settle: &settlement{"d", 1, 2, 3, "a", "h", charges},
	}}
}

func TestDecisionRoundTrip(t *testing.T) {
	want := fullDecision()
	payload := want.append(nil)
	got, err := parseDecision(&store.Entry{Header: store.Header{Kind: KindDecision, Subject: want.Subject}, Payload: payload})
	if err != nil {
		t.Fatal(err)
	}
	opts := cmp.Options{cmp.AllowUnexported(decisionEntry{}, ledgerChange{}, reservation{}, released{}, settlement{}, chargeRef{}), cmpopts.IgnoreUnexported(Decision{}), cmpopts.EquateNaNs()}
	if diff := cmp.Diff(want, got, opts); diff != "" {
		t.Errorf("the codec changed (-want +got):\n%s", diff)
	}
	if again := got.append(nil); !bytes.Equal(again, payload) {
		t.Error("equal decisions have two encodings")
	}
	head, err := parseDecisionHead(&store.Entry{Payload: payload})
	if err != nil || head.id != "d1" || head.delivered != None || !head.reserves || head.offer != "o" || head.customer() != want.Customer {
		t.Errorf("head %+v, %v", head, err)
	}
}

func TestNumbersRoundTrip(t *testing.T) {
	values := []float64{0, 1, -1, 0.1, math.Copysign(0, -1), 1 << 52, 1 << 60, -(1 << 53), math.MaxFloat64, math.Inf(1), 1e-300, 12345}
	var b []byte
	for i, v := range values {
		b = appendNumber(b, uint64(i+1), v)
	}
	d := &Decision{}
	if err := d.numbers(b); err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		if math.Float64bits(d.Variables[i].Number) != math.Float64bits(v) {
			t.Errorf("%v comes back as %v", v, d.Variables[i].Number)
		}
	}
	if want := requestVariables()[6].Name; d.Variables[6].Name != want || d.Variables[6].Type != BoolValue {
		t.Errorf("number 7 is %s, want %s", d.Variables[6].Name, want)
	}
	for n := range b {
		if err := (&Decision{}).numbers(b[:n]); err == nil && n > 0 && n < 2 {
			t.Errorf("cut off at %d and taken", n)
		}
	}
}

// The canonical form leaves out timings and positions, and nothing else.
func TestCanonical(t *testing.T) {
	base := fullDecision()
	form := func(d *decisionEntry, e store.Entry) string {
		e.Kind, e.Payload = KindDecision, d.append(nil)
		c, err := Canonical(&e)
		if err != nil {
			t.Fatal(err)
		}
		return string(c)
	}
	want := form(base, store.Entry{})
	same := fullDecision()
	same.Timings, same.Provenance.ProfileVersion = Timings{Total: 99}, 77
	if form(same, store.Entry{Position: 5, Recorded: 6}) != want {
		t.Error("time or position is part of the canonical form")
	}
	other := fullDecision()
	other.Candidates[1].PChoice = 0.26
	if form(other, store.Entry{}) == want {
		t.Error("a propensity is not part of the canonical form")
	}
}

func FuzzEntries(f *testing.F) {
	d := fullDecision()
	f.Add(KindDecision, d.append(nil))
	f.Add(KindIncentive, (&incentiveEntry{ledger: d.ledger, event: []byte{1, 2}, token: &redeemToken{"o", 1, 2, 3}}).append(nil))
	f.Add(KindRepeat, (&repeatEntry{requestID: "r", decisionID: "d"}).append(nil))
	f.Add(KindActivation, (&Activation{Digest: "x", Files: map[string][]byte{"a": {1}}}).append())
	f.Add(KindSlice, (&sliceEntry{chargeRef{"b", 1, 2, 3}, -4}).append(nil))
	career := Career{Change: registry.Change{Outcome: "purchase", Digest: "d", To: registry.Registered, By: "ann"}, Request: "r", File: "f", Bytes: 1, sum: "s", Position: 3}
	all, err := appendCareers([]Career{career, career})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(KindCareer, all)
	l := NewLedger()
	l.change(&ledgerChange{reserve: d.ledger.reserve}, 1)
	snapshot, _ := l.Snapshot()
	f.Add(uint8(200), snapshot)
	f.Add(uint8(201), offerList{{decision: "d", offer: "o", at: 5}}.append(nil))
	f.Fuzz(func(t *testing.T, kind uint8, payload []byte) {
		e := &store.Entry{Header: store.Header{Kind: kind}, Payload: payload}
		Index(e, new(store.Terms))
		if _, err := Canonical(e); err != nil && kind != KindDecision {
			t.Errorf("canonical form of kind %d: %v", kind, err)
		}
		switch kind {
		case KindDecision:
			if d, err := parseDecision(e); err == nil {
				reread(t, d)
			}
		case KindActivation:
			if a, err := parseActivation(payload); err == nil {
				a.append()
			}
		case KindCareer:
			if log, _, err := parseCareers(payload); err == nil {
				rereadCareers(t, log)
			}
		case 200:
			l := NewLedger()
			if l.Restore(payload) == nil {
				l.advance(math.MaxInt64)
			}
		case 201:
			if l, err := parseOffers(nil, payload); err == nil {
				l.prune().append(nil)
			}
		default:
			if NewLedger().Apply(e) == nil {
				parseIncentive(payload) //nolint:errcheck // only that it returns
			}
		}
	})
}

// rereadCareers encodes what was decoded and decodes it again: the same.
func rereadCareers(t *testing.T, log []Career) {
	t.Helper()
	b, err := appendCareers(log)
	if err != nil {
		return // a time or number that JSON cannot write is none a career has
	}
	again, _, err := parseCareers(b)
	if err != nil || len(again) != len(log) {
		t.Fatalf("%d careers came back as %d: %v", len(log), len(again), err)
	}
	for i := range log {
		if again[i].Position != log[i].Position || again[i].Request != log[i].Request || again[i].sum != log[i].sum || again[i].Digest != log[i].Digest {
			t.Fatalf("career %+v came back as %+v", log[i], again[i])
		}
	}
}

// reread encodes what was decoded and decodes it again: the same.
func reread(t *testing.T, d *decisionEntry) {
	once := d.append(nil)
	again, err := parseDecision(&store.Entry{Payload: once})
	if err != nil {
		t.Fatalf("what was written is not read: %v", err)
	}
	if twice := again.append(nil); !bytes.Equal(once, twice) {
		t.Errorf("%x\nis read and written as\n%x", once, twice)
	}
}
