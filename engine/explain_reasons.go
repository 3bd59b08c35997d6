package engine

import "fmt"

// reasons is what a merchandiser hears.
func (n *narrator) reasons() {
	n.verdict()
	n.choice()
	n.refusals()
	n.circumstances()
}

// verdict says what the decision came to.
func (n *narrator) verdict() {
	d := n.d
	switch {
	case d.Outcome == OutcomeOffer:
		n.say("The customer gets %s (%s).", d.Delivered, kindWords(d.Offer.Kind))
	case d.Outcome == OutcomeHoldout:
		n.say("The customer is held out for measurement and sees no offer; %s would have been shown.", d.Assigned)
	case d.Outcome == OutcomeFallback:
		n.say("No offer: no model could score one.")
	case n.fitting() == 1:
		n.say("No offer: every one was refused.")
	case d.Draw.Best == None:
		n.say("No offer: none is worth more than leaving the customer alone.")
		n.bestOffer()
	default:
		n.say("No offer: leaving the customer alone was drawn to learn from it, though %s was best.", d.Draw.Best)
		if c := d.Candidate(d.Draw.Best); c != nil {
			n.say("%s is worth %s.", c.Offer, n.major(c.Score))
			n.lift(c)
		}
	}
}

// fitting is the number of candidates that fit; none always does.
func (n *narrator) fitting() int {
	k := 0
	for i := range n.d.Candidates {
		if c := &n.d.Candidates[i]; c.Fits || c.Offer == None {
			k++
		}
	}
	return k
}

// bestOffer says what the best offer that fits would have brought: of those
// that cost something, if there is one.
func (n *narrator) bestOffer() {
	var best, free *Candidate
	for i := range n.d.Candidates {
		c := &n.d.Candidates[i]
		switch {
		case c.Offer == None || !c.Fits:
		case c.ExpectedCost > 0:
			best = better(best, c)
		default:
			free = better(free, c)
		}
	}
	if best == nil {
		n.say("The best that fits, %s, costs nothing and is worth %s.", free.Offer, n.major(free.Score))
		n.lift(free)
		return
	}
	n.say("The best that costs anything, %s, is worth %s after its expected cost of %s.", best.Offer, n.major(best.Score), n.major(best.ExpectedCost))
	n.lift(best)
}

// better is the candidate with the higher score, the first if they tie.
func better(best, c *Candidate) *Candidate {
	if best == nil || c.Score > best.Score {
		return c
	}
	return best
}

// lift says what the offer does to the chance of another purchase.
func (n *narrator) lift(c *Candidate) {
	for i := range c.Outcomes {
		o := &c.Outcomes[i]
		if o.Outcome == "purchase" && isChance(o.Without) && isChance(o.With) {
			n.say("Another purchase has a chance of %s without it and %s with it, %s.", percent(o.Without), percent(o.With), o.origin())
		}
	}
}

func isChance(p float64) bool { return p >= 0 && p <= 1 }

// origin says in words where a prediction came from.
func (o *OutcomeScore) origin() string {
	switch {
	case o.Assumed:
		return "as the policy assumes"
	case o.Rung == RungStated:
		return "as the case states"
	case o.Rung == RungDistilled:
		return "as the simpler model predicts"
	case o.Rung == RungPrior:
		return "as the model predicts without knowing the customer"
	}
	return "as the model predicts"
}

// choice says why the assigned offer was drawn, and what it may cost.
func (n *narrator) choice() {
	d := n.d
	c := d.Candidate(d.Assigned)
	if c == nil || c.Offer == None {
		return
	}
	if d.Draw.Explored {
		n.say("It is worth %s; %s was best.", n.major(c.Score), d.Draw.Best)
		n.say("It was drawn to learn from it, with a chance of %s.", percent(c.PChoice))
	} else {
		n.say("It is worth %s, and none of the %d candidates that fit is worth more.", n.major(c.Score), n.fitting())
		n.say("It was drawn with a chance of %s.", percent(c.PChoice))
	}
	n.lift(c)
	n.worth(c)
	if c.Ceiling == 0 {
		n.say("It costs nothing.")
		return
	}
	n.say("It is expected to cost %s and may cost %s at most.", n.major(c.ExpectedCost), n.money(c.Ceiling))
}

// worth takes the score apart: what each goal gains, less what scarce budgets charge.
func (n *narrator) worth(c *Candidate) {
	for i := range c.Goals {
		switch g := &c.Goals[i]; {
		case g.Skipped || n.nothing(g.Contribution):
		case g.Contribution < 0:
			n.say("It takes %s from the goal %s.", n.major(-g.Contribution), g.Goal)
		default:
			n.say("It adds %s to the goal %s.", n.major(g.Contribution), g.Goal)
		}
	}
	for i := range c.Charges {
		if x := &c.Charges[i]; !n.nothing(x.Amount) {
			n.say("The scarce budget %s counts %s against it.", x.Budget, n.major(x.Amount))
		}
	}
}

// refusals gives the reason of every refused candidate, and its worth if it came so far.
func (n *narrator) refusals() {
	for i := range n.d.Candidates {
		c := &n.d.Candidates[i]
		switch {
		case c.Reason == "":
		case c.Fits:
			n.say("%s took no part in the draw (%s)%s.", c.Offer, c.Reason, refusalDetail(c))
		default:
			n.say("%s was refused%s (%s)%s.", c.Offer, refusalRule(c), c.Reason, refusalDetail(c))
			if c.Scored {
				n.say("%s would be worth %s.", c.Offer, n.major(c.Score))
			}
		}
	}
}

func refusalRule(c *Candidate) string {
	if c.Rule.ID == "" || c.Rule.ID == c.Offer {
		return ""
	}
	return fmt.Sprintf(", by %s of %s", c.Rule.ID, scopeWords(c.Rule.Scope))
}

func refusalDetail(c *Candidate) string {
	switch {
	case c.Detail != "":
		return ": " + sentence(c.Detail)
	case c.Reason == ReasonNotEligible:
		return ": its own conditions do not hold"
	}
	return ""
}

// circumstances says what was not as usual.
func (n *narrator) circumstances() {
	if !n.d.Consent {
		n.say("Without consent no personal data was used.")
	}
	for i := range n.d.Budgets {
		if b := &n.d.Budgets[i]; b.Lambda > 0 {
			n.say("The budget %s is scarce: expected cost counts %s more.", b.Budget, percent(b.Lambda))
		}
	}
	for _, g := range n.d.Degraded {
		n.say("Not as usual: %s: %s.", g.Subject, sentence(g.Cause))
	}
}
