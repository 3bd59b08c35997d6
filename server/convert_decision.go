package server

import (
	"encoding/base64"
	"time"

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

// fromDecision converts a decision into a message made of empty parts. The message
// comes from a pool; the codec gives it back once it is sent.
func fromDecision(p *parts, d *engine.Decision, explain pb.Explain) *pb.DecideResponse {
	m := pb.DecideResponseFromVTPool()
	m.DecisionId = d.ID
	m.RequestId = d.RequestID
	m.Outcome = pb.Outcome(d.Outcome)
	m.Offer = fromTerms(p, d)
	m.Propensity = d.Propensity
	for _, a := range d.Arms {
		arm := next(&m.Arms)
		arm.ExperimentId, arm.Arm, arm.Bucket, arm.Chance = a.Experiment, a.Arm, a.Bucket, a.Chance
	}
	m.Provenance = fromProvenance(p, d)
	for _, g := range d.Degraded {
		m.Degraded = append(m.Degraded, &pb.Degradation{Subject: g.Subject, Rung: g.Rung.String(), Cause: g.Cause})
	}
	m.Timings = fromTimings(&p.timings, &d.Timings)
	m.DecidedAt = setTime(&p.decidedAt, d.Time)
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

// setTime is fromTime into an empty timestamp.
func setTime(m *timestamppb.Timestamp, t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	m.Seconds, m.Nanos = t.Unix(), int32(t.Nanosecond())
	return m
}

func fromTerms(p *parts, d *engine.Decision) *pb.Offer {
	t, m := d.Offer, &p.offer
	if t == nil {
		return nil
	}
	m.OfferId, m.Kind = t.OfferID, t.Kind
	p.ceiling.CurrencyCode, p.ceiling.MinorUnits = d.Currency, t.Ceiling
	m.Ceiling = &p.ceiling
	m.ValidFrom, m.ExpiresAt = setTime(&p.validFrom, t.ValidFrom), setTime(&p.expiresAt, t.Expires)
	m.Categories = t.Categories
	p.token = base64.RawURLEncoding.AppendEncode(p.token, d.Token)
	m.Token = string(p.token)
	for i := range t.Params {
		fromParam(next(&m.Params), &t.Params[i])
	}
	for _, c := range t.Channels {
		m.Channels = append(m.Channels, pb.Channel(pb.Channel_value["CHANNEL_"+c]))
	}
	for _, x := range d.Disclosures {
		out := next(&m.Disclosures)
		out.DisclosureId, out.Text = x.ID, x.Text
	}
	return m
}

func fromParam(m *pb.OfferParam, p *engine.Param) {
	m.Name = p.Name
	if p.IsText {
		m.Value = &pb.OfferParam_Text{Text: p.Text}
	} else {
		m.Value = &pb.OfferParam_Number{Number: p.Number}
	}
}

func fromProvenance(p *parts, d *engine.Decision) *pb.Provenance {
	from, m := &d.Provenance, &p.provenance
	m.BundleName, m.BundleVersion, m.BundleDigest = from.BundleName, int32(from.BundleVersion), from.BundleDigest
	m.Scope, m.ScopeChain, m.ScopeFallback = from.Scope, from.Chain, !from.ScopeExact
	m.ProfileVersion, m.Seed, m.Position = from.ProfileVersion, from.Seed, uint64(d.Position)
	if from.ProfileAge >= 0 && from.ProfileVersion > 0 {
		p.age.Seconds, p.age.Nanos = int64(from.ProfileAge/time.Second), int32(from.ProfileAge%time.Second)
		m.ProfileAge = &p.age
	}
	for _, r := range from.Models {
		out := next(&m.Models)
		out.Outcome, out.File, out.Digest, out.Assumed = r.Outcome, r.File, r.Digest, r.Assumed
	}
	return m
}

func fromTimings(m *pb.Timings, t *engine.Timings) *pb.Timings {
	m.TotalNanos, m.ProfileNanos, m.RulesNanos = int64(t.Total), int64(t.Profile), int64(t.Rules)
	m.ScoringNanos, m.LedgerNanos, m.AppendNanos = int64(t.Scoring), int64(t.Ledger), int64(t.Append)
	return m
}

// fromEntry converts a logged decision. The token stays with the one it was given to.
func fromEntry(d *engine.Decision) *pb.DecisionEntry {
	m := &pb.DecisionEntry{
		Position: uint64(d.Position), RecordedAt: fromTime(d.Recorded), Scope: d.Scope,
		Channel: pb.Channel(d.Channel), Phase: pb.Phase(d.Phase), Consent: d.Consent,
		Decision: fromDecision(new(parts), d, pb.Explain_EXPLAIN_FULL),
	}
	if d.Customer != (profile.Identity{}) {
		m.CustomerId = &pb.CustomerId{Namespace: d.Customer.Namespace, Value: d.Customer.Value}
	}
	if o := m.GetDecision().GetOffer(); o != nil {
		o.Token = ""
	}
	return m
}
