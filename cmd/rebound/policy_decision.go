package main

import (
	"cmp"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/internal/currency"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// decisionOf is the part of an answered decision that explanations speak of.
func decisionOf(m *pb.DecideResponse) *engine.Decision {
	x := m.GetExplanation()
	d := &engine.Decision{
		ID: m.GetDecisionId(), Time: m.GetDecidedAt().AsTime(), Outcome: engine.OutcomeValue(m.GetOutcome()),
		Assigned: x.GetAssigned(), Delivered: cmp.Or(x.GetDelivered(), m.GetOffer().GetOfferId(), engine.None),
		Personal: x.GetUsedPersonalData(), Consent: consentOf(x), Draw: drawOf(x.GetDraw()), Provenance: provenanceOf(m.GetProvenance()),
		Currency: m.GetOffer().GetCeiling().GetCurrencyCode(), Offer: termsOf(m.GetOffer()),
	}
	for _, c := range m.GetCandidates() {
		d.Candidates = append(d.Candidates, candidateOf(c))
		d.Currency = cmp.Or(d.Currency, c.GetValuation().GetCurrencyCode())
	}
	d.Exponent, _ = currency.Exponent(d.Currency)
	for _, g := range m.GetDegraded() {
		d.Degraded = append(d.Degraded, engine.Degradation{Subject: g.GetSubject(), Cause: g.GetCause()})
	}
	for _, b := range x.GetBudgets() {
		d.Budgets = append(d.Budgets, engine.BudgetUse{Budget: b.GetBudgetId(), Scope: b.GetScope(), Lambda: b.GetLambda()})
	}
	for _, a := range m.GetArms() {
		d.Arms = append(d.Arms, engine.Arm{Experiment: a.GetExperimentId(), Arm: a.GetArm(), Bucket: a.GetBucket(), Chance: a.GetChance()})
	}
	for _, t := range m.GetOffer().GetDisclosures() {
		d.Disclosures = append(d.Disclosures, engine.Disclosure{ID: t.GetDisclosureId(), Text: t.GetText()})
	}
	return d
}

// consentOf finds the consent among the variables; an answer without them says nothing of it.
func consentOf(x *pb.Explanation) bool {
	for _, v := range x.GetVariables() {
		if v.GetName() == "request.consent" {
			return v.GetFlag()
		}
	}
	return true
}

func termsOf(m *pb.Offer) *engine.Terms {
	if m == nil {
		return nil
	}
	t := &engine.Terms{
		OfferID: m.GetOfferId(), Kind: m.GetKind(), Ceiling: m.GetCeiling().GetMinorUnits(),
		ValidFrom: m.GetValidFrom().AsTime(), Expires: m.GetExpiresAt().AsTime(), Categories: m.GetCategories(),
	}
	for _, p := range m.GetParams() {
		_, text := p.GetValue().(*pb.OfferParam_Text)
		t.Params = append(t.Params, engine.Param{Name: p.GetName(), Number: p.GetNumber(), Text: p.GetText(), IsText: text})
	}
	return t
}

func candidateOf(m *pb.Candidate) engine.Candidate {
	v, r := m.GetValuation(), m.GetRefusal()
	c := engine.Candidate{
		Offer: m.GetOfferId(), Kind: m.GetKind(), Stage: engine.Stage(m.GetStage()), Fits: m.GetFits(),
		Scored: m.GetScored(), Score: m.GetScore(), LowerScore: v.GetLowerScore(), PChoice: m.GetPChoice(), PShown: m.GetPShown(),
		Reason: engine.Reason(r.GetReason()), Detail: r.GetDetail(),
		Rule:    engine.RuleRef{ID: r.GetRuleId(), File: r.GetFile(), Line: int(r.GetLine()), Scope: r.GetScope()},
		Ceiling: v.GetCeiling().GetMinorUnits(), Liability: v.GetLiability(), LiabilityCost: v.GetLiabilityCharged().GetMinorUnits(),
		RedeemChance: v.GetRedeemChance(), ExpectedCost: v.GetExpectedCost(),
	}
	for _, o := range v.GetOutcomes() {
		c.Outcomes = append(c.Outcomes, engine.OutcomeScore{
			Outcome: o.GetOutcome(), Without: o.GetWithout(), With: o.GetWith(), Lower: o.GetLower(), Upper: o.GetUpper(),
			Assumed: o.GetAssumed(), Rung: rungOf(o.GetRung()),
		})
	}
	for _, g := range v.GetGoals() {
		c.Goals = append(c.Goals, engine.GoalValue{
			Goal: g.GetGoal(), Unit: g.GetUnit(), Amount: g.GetAmount(), Value: g.GetValuePerUnit(), Weight: g.GetWeight(),
			Contribution: g.GetContribution(), Skipped: g.GetSkipped(),
		})
	}
	for _, x := range v.GetCharges() {
		c.Charges = append(c.Charges, engine.Charge{Budget: x.GetBudgetId(), Lambda: x.GetLambda(), Amount: x.GetAmount()})
	}
	return c
}

func rungOf(name string) engine.Rung {
	for r := engine.RungModel; r <= engine.RungNone; r++ {
		if r.String() == name {
			return r
		}
	}
	return 0
}

func drawOf(m *pb.Draw) engine.Draw {
	return engine.Draw{
		Strategy: m.GetStrategy(), U: m.GetU(), Bucket: m.GetBucket(), Best: m.GetBest(), Explored: m.GetExplored(),
		Epsilon: m.GetEpsilon(), Gamma: m.GetGamma(), Scale: m.GetScale(), Floor: m.GetFloor(), K: int(m.GetK()),
		Holdout: m.GetHoldoutShare(), HoldoutID: m.GetHoldoutId(),
	}
}

func provenanceOf(m *pb.Provenance) engine.Provenance {
	p := engine.Provenance{
		BundleName: m.GetBundleName(), BundleVersion: int(m.GetBundleVersion()), BundleDigest: m.GetBundleDigest(),
		Scope: m.GetScope(), Chain: m.GetScopeChain(), ScopeExact: !m.GetScopeFallback(), ProfileVersion: m.GetProfileVersion(),
	}
	for _, x := range m.GetModels() {
		p.Models = append(p.Models, engine.ModelRef{Outcome: x.GetOutcome(), File: x.GetFile(), Digest: x.GetDigest(), Assumed: x.GetAssumed()})
	}
	return p
}
