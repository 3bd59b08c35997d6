package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rebound-engine/rebound/engine/profile"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/sim"
)

// demoTally is what the retailer sees at the end.
type demoTally struct {
	Learned     int            `json:"returns_learned_from"`
	Returns     int            `json:"returns_decided"`
	Offers      map[string]int `json:"offers"`
	NotNeeded   int            `json:"no_incentive_needed"`
	Refused     map[string]int `json:"no_offer_refused"` // by the reason that took the last candidate
	HeldOut     int            `json:"held_out"`
	Redemptions int            `json:"redemptions"`
	Cost        int64          `json:"redeemed_minor_units"`
	Overruns    int            `json:"overruns"`
	Rejected    int            `json:"events_rejected"`
	// TrueGain is what the offers add by the simulator's truth: purchases, margin and cost.
	TruePurchases float64 `json:"true_extra_purchases"`
	TrueMargin    float64 `json:"true_extra_margin"`
	TrueCost      float64 `json:"true_expected_cost"`
	Groups        []group `json:"came_back_within_30_days"`

	cohort    map[string]*member // by customer, from the first decision
	offered   string             // decisions worth explaining
	notNeeded string
	abuse     string
}

// group compares customers for whom an offer was drawn: those who got it, and those held out.
type group struct {
	Name      string `json:"name"`
	Customers int    `json:"customers"`
	CameBack  int    `json:"came_back"`
}

type member struct {
	at       time.Time
	group    string
	cameBack bool
}

func (t *demoTally) init() {
	t.Offers, t.Refused, t.cohort = map[string]int{}, map[string]int{}, map[string]*member{}
}

// event watches who comes back.
func (t *demoTally) event(e *profile.Event) {
	m := t.cohort[e.Customer.Value]
	if e.Kind == profile.KindPurchase && m != nil && e.Time.After(m.at) && !e.Time.After(m.at.Add(demoHorizon)) {
		m.cameBack = true
	}
}

func (t *demoTally) recorded(e *pb.Event, r *pb.EventResult) {
	switch {
	case r.GetStatus() == pb.EventStatus_EVENT_STATUS_REJECTED:
		t.Rejected++
	case e.GetRedemption() != nil:
		t.Redemptions++
		t.Cost += r.GetSettled().GetMinorUnits()
		if r.GetOverrun() {
			t.Overruns++
		}
	}
}

// decide asks for a decision on a return, and tells the customer.
func (d *demo) decide(ctx context.Context, e *profile.Event) error {
	req := decideMessage("demo-"+e.ReturnID, e)
	req.Place = &pb.DecideRequest_Scope{Scope: e.Store}
	req.ItemReturn.Authorization = pb.Authorization_AUTHORIZATION_APPROVED
	req.Consent = pb.Consent_CONSENT_UNSPECIFIED // as the customer declared
	if e.Channel == profile.ChannelStore || e.Channel == profile.ChannelBORIS {
		req.Phase = pb.Phase_PHASE_AUTHORIZED // at the counter it can still become an exchange
	}
	if strings.HasPrefix(e.Store, "us.ne") {
		req.Jurisdiction = "US-NY"
	}
	resp, err := d.session.Decisions.Decide(ctx, req)
	if err != nil {
		return err
	}
	d.tally.count(resp, e)
	if resp.GetOutcome() != pb.Outcome_OUTCOME_OFFER {
		return nil
	}
	return d.give(resp, e)
}

// give tells the simulated customer of an offer, and asks the simulator what it really does.
func (d *demo) give(resp *pb.DecideResponse, e *profile.Event) error {
	offer, err := simOffer(resp)
	if err != nil {
		return err
	}
	truth, err := d.retailer.Truth(e.Customer, offer, e.Time, demoHorizon)
	if err != nil {
		return err
	}
	liability := resp.GetValue().GetLiability()
	d.tally.TruePurchases += truth.Uplift()
	d.tally.TrueMargin += truth.Uplift()*truth.Basket*0.48 - truth.Redeem*liability
	d.tally.TrueCost += truth.Redeem * liability
	return d.retailer.Respond(e.Customer, offer, e.Time)
}

// simOffer is an offer as its holder understands it.
func simOffer(resp *pb.DecideResponse) (sim.Offer, error) {
	o := resp.GetOffer()
	token, err := base64.RawURLEncoding.DecodeString(o.GetToken())
	if err != nil {
		return sim.Offer{}, fmt.Errorf("token of decision %s: %w", resp.GetDecisionId(), err)
	}
	out := sim.Offer{
		DecisionID: resp.GetDecisionId(), OfferID: o.GetOfferId(), Kind: o.GetKind(), Token: token,
		Validity: o.GetExpiresAt().AsTime().Sub(o.GetValidFrom().AsTime()), Ceiling: o.GetCeiling().GetMinorUnits(),
	}
	for _, p := range o.GetParams() {
		switch p.GetName() {
		case "percent", "amount", "multiplier":
			out.Value = p.GetNumber()
		}
	}
	return out, nil
}

func (t *demoTally) count(d *pb.DecideResponse, e *profile.Event) {
	t.Returns++
	name := ""
	switch d.GetOutcome() {
	case pb.Outcome_OUTCOME_OFFER:
		name = "offered"
		t.Offers[d.GetOffer().GetOfferId()]++
		if d.GetOffer().GetKind() == "percent_off" {
			t.offered = d.GetDecisionId()
		}
	case pb.Outcome_OUTCOME_HOLDOUT:
		t.HeldOut++
		if assigned := d.GetExplanation().GetAssigned(); assigned != "none" {
			name = "held out of the same draw"
		}
	default:
		t.countNone(d)
	}
	if name != "" && t.cohort[e.Customer.Value] == nil {
		t.cohort[e.Customer.Value] = &member{at: e.Time, group: name}
	}
}

// countNone separates "not needed" (an offer was possible, none is worth more) from refusals.
func (t *demoTally) countNone(d *pb.DecideResponse) {
	refusal := ""
	for _, c := range d.GetCandidates() {
		if c.GetOfferId() != "none" && c.GetFits() {
			t.NotNeeded++
			if c.GetScore() < -1 {
				t.notNeeded = d.GetDecisionId()
			}
			return
		}
		if r := c.GetRefusal().GetReason(); stageOf(c) >= 2 && r != "" {
			refusal = r
		}
	}
	if refusal == "ABUSE_RISK" {
		t.abuse = d.GetDecisionId()
	}
	t.Refused[refusal]++
}

func stageOf(c *pb.Candidate) int { return int(c.GetStage().Number()) }

func (d *demo) report(ctx context.Context) error {
	d.tally.group()
	if err := d.app.print(&d.tally, d.table); err != nil {
		return err
	}
	if d.app.format != "table" {
		return nil
	}
	for _, x := range []struct{ title, id string }{
		{"An offer", d.tally.offered}, {"Needs no incentive", d.tally.notNeeded}, {"Refused for abuse", d.tally.abuse},
	} {
		if x.id == "" {
			d.say("\n%s: no such decision in this run\n", x.title)
			continue
		}
		text, err := d.explain(ctx, x.id)
		if err != nil {
			return err
		}
		d.say("\n%s (decision %s)\n%s\n", x.title, x.id, indentText(text))
	}
	return nil
}

// group sums the cohort by assignment.
func (t *demoTally) group() {
	sums := map[string]*group{}
	for _, m := range t.cohort {
		if sums[m.group] == nil {
			sums[m.group] = &group{Name: m.group}
		}
		sums[m.group].Customers++
		if m.cameBack {
			sums[m.group].CameBack++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		t.Groups = append(t.Groups, *sums[name])
	}
}

func (d *demo) table(w io.Writer) {
	t := &d.tally
	share := func(n int) string { return fmt.Sprintf("%5.1f %%", 100*float64(n)/float64(max(t.Returns, 1))) }
	fmt.Fprintln(w)
	row(w, "RETURNS DECIDED", t.Returns)
	row(w, "  no incentive needed", t.NotNeeded, share(t.NotNeeded))
	for _, id := range slices.Sorted(maps.Keys(t.Offers)) {
		row(w, "  offered "+id, t.Offers[id], share(t.Offers[id]))
	}
	for _, reason := range slices.Sorted(maps.Keys(t.Refused)) {
		row(w, "  refused: "+reason, t.Refused[reason], share(t.Refused[reason]))
	}
	row(w, "  held out, to measure", t.HeldOut, share(t.HeldOut))
	row(w, "REDEEMED", t.Redemptions, "at a cost of "+money(&pb.Money{CurrencyCode: d.config.Currency, MinorUnits: t.Cost}), fmt.Sprintf("%d above budget", t.Overruns))
	row(w, "CAME BACK WITHIN 30 DAYS of the first offer drawn")
	for _, g := range t.Groups {
		row(w, "  "+g.Name, fmt.Sprintf("%d of %d", g.CameBack, g.Customers), fmt.Sprintf("%5.1f %%", 100*float64(g.CameBack)/float64(g.Customers)))
	}
	row(w, "WHAT THE SIMULATOR KNOWS of the offers made")
	row(w, "  purchases that would not have happened", fmt.Sprintf("%.1f", t.TruePurchases))
	row(w, "  margin they add, after the cost of all redemptions", fmt.Sprintf("%.2f %s", t.TrueMargin, d.config.Currency))
}

func indentText(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}

func timestampOf(t time.Time) *timestamppb.Timestamp { return timestamppb.New(t) }

// nextSteps are commands that work on what the demonstration left behind.
func (d *demo) nextSteps(state string) {
	d.say(`
Try next:
  rebound budget %[1]s
  rebound journal query %[1]s --outcome OFFER --limit 5
  rebound journal query %[1]s --outcome OFFER --limit 1 -o json
  rebound policy check %[2]s
  rebound policy effective %[2]s us.ne.0401
`, state, d.path("policies"))
}

// stay serves until interrupted.
func (d *demo) stay(ctx context.Context) error {
	d.nextSteps("--addr " + d.session.node.server.Addr().String())
	d.say("\nServing on %s (pid %d). Interrupt to stop.\n", d.session.node.server.Addr(), os.Getpid())
	<-ctx.Done()
	return nil
}
