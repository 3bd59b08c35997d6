package server

import (
	"encoding/base64"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// next lengthens a list of a pooled message by one, reusing the element left there by an earlier use.
func next[T any](list *[]*T) *T {
	if n := len(*list); n < cap(*list) {
		*list = (*list)[:n+1]
		if (*list)[n] == nil {
			(*list)[n] = new(T)
		}
		return (*list)[n]
	}
	*list = append(*list, new(T))
	return (*list)[len(*list)-1]
}

// fromDecision converts a decision. The message comes from a pool; the codec gives it back once it is sent.
func fromDecision(d *engine.Decision, explain pb.Explain) *pb.DecideResponse {
	m := pb.DecideResponseFromVTPool()
	m.DecisionId = d.ID
	m.RequestId = d.RequestID
	m.Outcome = pb.Outcome(d.Outcome)
	m.Offer = fromTerms(d)
	m.Propensity = d.Propensity
	for _, a := range d.Arms {
		m.Arms = append(m.Arms, &pb.ExperimentArm{ExperimentId: a.Experiment, Arm: a.Arm, Bucket: a.Bucket, Chance: a.Chance})
	}
	m.Provenance = fromProvenance(d)
	for _, g := range d.Degraded {
		m.Degraded = append(m.Degraded, &pb.Degradation{Subject: g.Subject, Rung: g.Rung.String(), Cause: g.Cause})
	}
	m.Timings = fromTimings(&d.Timings)
	m.DecidedAt = fromTime(d.Time)
	m.DryRun = d.DryRun
	m.Supersedes = d.Supersedes
	addReasons(m, d, explain)
	return m
}

// addReasons adds as much of the reasoning as was asked for.
func addReasons(m *pb.DecideResponse, d *engine.Decision, explain pb.Explain) {
	if explain == pb.Explain_EXPLAIN_NONE {
		return
	}
	full := explain == pb.Explain_EXPLAIN_FULL
	for i := range d.Candidates {
		fromCandidate(next(&m.Candidates), &d.Candidates[i], d.Currency, full)
	}
	if c := d.Candidate(d.Assigned); c != nil && c.Scored && c.Offer != engine.None {
		m.Value = fromValuation(c, d.Currency)
	}
	if full {
		m.Explanation = fromExplanation(d)
	}
}

func fromCandidate(m *pb.Candidate, c *engine.Candidate, currency string, full bool) {
	m.OfferId = c.Offer
	m.Kind = c.Kind
	m.Stage = pb.Stage(c.Stage)
	m.Scored = c.Scored
	m.Score = c.Score
	m.PChoice = c.PChoice
	m.PShown = c.PShown
	m.Fits = c.Fits
	if c.Reason != "" {
		r := pb.RefusalFromVTPool()
		r.Reason, r.Detail = string(c.Reason), c.Detail
		r.RuleId, r.File, r.Line, r.Scope = c.Rule.ID, c.Rule.File, int32(c.Rule.Line), c.Rule.Scope
		m.Refusal = r
	}
	if full {
		m.Valuation = fromValuation(c, currency)
	}
}

func fromValuation(c *engine.Candidate, currency string) *pb.Valuation {
	m := pb.ValuationFromVTPool()
	m.CurrencyCode = currency
	for i := range c.Outcomes {
		o, out := &c.Outcomes[i], next(&m.Outcomes)
		out.Outcome, out.Assumed, out.Rung = o.Outcome, o.Assumed, o.Rung.String()
		out.Without, out.With, out.Lower, out.Upper = o.Without, o.With, o.Lower, o.Upper
	}
	for i := range c.Goals {
		g, out := &c.Goals[i], next(&m.Goals)
		out.Goal, out.Unit, out.Skipped = g.Goal, g.Unit, g.Skipped
		out.Amount, out.ValuePerUnit, out.Weight, out.Contribution = g.Amount, g.Value, g.Weight, g.Contribution
	}
	for i := range c.Charges {
		b, out := &c.Charges[i], next(&m.Charges)
		out.BudgetId, out.Lambda, out.Amount = b.Budget, b.Lambda, b.Amount
	}
	m.Liability = c.Liability
	m.LiabilityCharged = pooledMoney(c.LiabilityCost, currency)
	m.Ceiling = pooledMoney(c.Ceiling, currency)
	m.RedeemChance = c.RedeemChance
	m.ExpectedCost = c.ExpectedCost
	m.Score = c.Score
	m.LowerScore = c.LowerScore
	return m
}

// pooledMoney is for fields of pooled messages, which give it back; money is for all others.
func pooledMoney(minor int64, currency string) *pb.Money {
	m := pb.MoneyFromVTPool()
	m.CurrencyCode, m.MinorUnits = currency, minor
	return m
}

func money(minor int64, currency string) *pb.Money {
	return &pb.Money{CurrencyCode: currency, MinorUnits: minor}
}

// fromTime converts a time; the zero time is unset.
func fromTime(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func fromTerms(d *engine.Decision) *pb.Offer {
	t := d.Offer
	if t == nil {
		return nil
	}
	m := &pb.Offer{
		OfferId: t.OfferID, Kind: t.Kind, Ceiling: money(t.Ceiling, d.Currency),
		ValidFrom: fromTime(t.ValidFrom), ExpiresAt: fromTime(t.Expires),
		Categories: t.Categories, Token: base64.RawURLEncoding.EncodeToString(d.Token),
	}
	for i := range t.Params {
		m.Params = append(m.Params, fromParam(&t.Params[i]))
	}
	for _, c := range t.Channels {
		m.Channels = append(m.Channels, pb.Channel(pb.Channel_value["CHANNEL_"+c]))
	}
	for _, x := range d.Disclosures {
		m.Disclosures = append(m.Disclosures, &pb.Disclosure{DisclosureId: x.ID, Text: x.Text})
	}
	return m
}

func fromParam(p *engine.Param) *pb.OfferParam {
	if p.IsText {
		return &pb.OfferParam{Name: p.Name, Value: &pb.OfferParam_Text{Text: p.Text}}
	}
	return &pb.OfferParam{Name: p.Name, Value: &pb.OfferParam_Number{Number: p.Number}}
}

func fromProvenance(d *engine.Decision) *pb.Provenance {
	p := &d.Provenance
	m := &pb.Provenance{
		BundleName: p.BundleName, BundleVersion: int32(p.BundleVersion), BundleDigest: p.BundleDigest,
		Scope: p.Scope, ScopeChain: p.Chain, ScopeFallback: !p.ScopeExact,
		ProfileVersion: p.ProfileVersion, Seed: p.Seed, Position: uint64(d.Position),
	}
	if p.ProfileAge >= 0 && p.ProfileVersion > 0 {
		m.ProfileAge = durationpb.New(p.ProfileAge)
	}
	for _, r := range p.Models {
		m.Models = append(m.Models, &pb.ModelRef{Outcome: r.Outcome, File: r.File, Digest: r.Digest, Assumed: r.Assumed})
	}
	return m
}

func fromTimings(t *engine.Timings) *pb.Timings {
	return &pb.Timings{
		TotalNanos: int64(t.Total), ProfileNanos: int64(t.Profile), RulesNanos: int64(t.Rules),
		ScoringNanos: int64(t.Scoring), LedgerNanos: int64(t.Ledger), AppendNanos: int64(t.Append),
	}
}

// fromEntry converts a logged decision. The token stays with the one it was given to.
func fromEntry(d *engine.Decision) *pb.DecisionEntry {
	m := &pb.DecisionEntry{
		Position: uint64(d.Position), RecordedAt: fromTime(d.Recorded), Scope: d.Scope,
		Channel: pb.Channel(d.Channel), Phase: pb.Phase(d.Phase), Consent: d.Consent,
		Decision: fromDecision(d, pb.Explain_EXPLAIN_FULL),
	}
	if d.Customer != (profile.Identity{}) {
		m.CustomerId = &pb.CustomerId{Namespace: d.Customer.Namespace, Value: d.Customer.Value}
	}
	if o := m.GetDecision().GetOffer(); o != nil {
		o.Token = ""
	}
	return m
}
