package engine

import "time"

// append writes a candidate; encoded holds the values of all, if they were encoded already.
func (c *Candidate) append(w *wire, earlier []Candidate, encoded *values) {
	w.text(1, c.Offer)
	w.text(2, c.Kind)
	w.uint(3, uint64(c.Stage))
	w.text(4, string(c.Reason))
	if c.Rule != (RuleRef{}) {
		at := w.open(5)
		w.text(1, c.Rule.ID)
		w.text(2, c.Rule.File)
		w.int(3, int64(c.Rule.Line))
		w.int(4, int64(c.Rule.Column))
		w.text(5, c.Rule.Scope)
		w.close(at)
	}
	w.text(6, c.Detail)
	w.int(7, c.Ceiling)
	w.int(8, c.LiabilityCost)
	w.float(9, c.Liability)
	w.float(10, c.RedeemChance)
	w.float(11, c.ExpectedCost)
	if encoded != nil {
		w.b = append(w.b, encoded.of(len(earlier))...)
	} else {
		c.appendValues(w, earlier)
	}
	c.appendCharges(w, earlier)
	w.bool(15, c.Scored)
	w.float(16, c.Score)
	w.float(17, c.LowerScore)
	w.bool(18, c.Fits)
	w.float(19, c.PChoice)
	w.float(20, c.PShown)
}

func (c *Candidate) field(f field, earlier []Candidate) error {
	switch f.num {
	case 1:
		c.Offer = f.text()
	case 2:
		c.Kind = f.text()
	case 3:
		c.Stage = Stage(f.v)
	case 4:
		c.Reason = Reason(f.text())
	case 5:
		return fields(f.raw, c.Rule.field)
	case 6:
		c.Detail = f.text()
	case 7:
		c.Ceiling = f.int()
	case 8:
		c.LiabilityCost = f.int()
	case 9:
		c.Liability = f.float()
	case 10:
		c.RedeemChance = f.float()
	case 11:
		c.ExpectedCost = f.float()
	case 12:
		return parseLike(f.raw, &c.Outcomes, earlier, outcomesOf)
	case 13:
		return parseLike(f.raw, &c.Goals, earlier, goalsOf)
	case 14:
		return parseLike(f.raw, &c.Charges, earlier, chargesOf)
	case 15:
		c.Scored = f.bool()
	case 16:
		c.Score = f.float()
	case 17:
		c.LowerScore = f.float()
	case 18:
		c.Fits = f.bool()
	case 19:
		c.PChoice = f.float()
	case 20:
		c.PShown = f.float()
	}
	return nil
}

func (r *RuleRef) field(f field) error {
	switch f.num {
	case 1:
		r.ID = f.text()
	case 2:
		r.File = f.text()
	case 3:
		r.Line = int(f.int())
	case 4:
		r.Column = int(f.int())
	case 5:
		r.Scope = f.text()
	}
	return nil
}

func (o *OutcomeScore) append(w *wire) {
	w.text(1, o.Outcome)
	w.float(2, o.Without)
	w.float(3, o.With)
	w.float(4, o.Lower)
	w.float(5, o.Upper)
	w.bool(6, o.Assumed)
	w.uint(7, uint64(o.Rung))
}

func (o *OutcomeScore) field(f field) {
	switch f.num {
	case 1:
		o.Outcome = f.text()
	case 2:
		o.Without = f.float()
	case 3:
		o.With = f.float()
	case 4:
		o.Lower = f.float()
	case 5:
		o.Upper = f.float()
	case 6:
		o.Assumed = f.bool()
	case 7:
		o.Rung = Rung(f.v)
	}
}

func (g *GoalValue) append(w *wire) {
	w.text(1, g.Goal)
	w.text(2, g.Unit)
	w.float(3, g.Amount)
	w.float(4, g.Value)
	w.float(5, g.Weight)
	w.float(6, g.Contribution)
	w.bool(7, g.Skipped)
}

func (g *GoalValue) field(f field) {
	switch f.num {
	case 1:
		g.Goal = f.text()
	case 2:
		g.Unit = f.text()
	case 3:
		g.Amount = f.float()
	case 4:
		g.Value = f.float()
	case 5:
		g.Weight = f.float()
	case 6:
		g.Contribution = f.float()
	case 7:
		g.Skipped = f.bool()
	}
}

func (x *Charge) append(w *wire) {
	w.text(1, x.Budget)
	w.float(2, x.Lambda)
	w.float(3, x.Amount)
}

func (x *Charge) field(f field) {
	switch f.num {
	case 1:
		x.Budget = f.text()
	case 2:
		x.Lambda = f.float()
	case 3:
		x.Amount = f.float()
	}
}

func (b *BudgetUse) append(w *wire) {
	w.text(1, b.Budget)
	w.text(2, b.Scope)
	w.text(3, b.Guarantee)
	w.text(4, b.Pacing)
	w.time(5, b.Start)
	w.time(6, b.End)
	w.int(7, b.Limit)
	w.int(8, b.Reserved)
	w.int(9, b.Settled)
	w.int(10, b.Available)
	w.float(11, b.Lambda)
	w.int(12, b.Reserves)
}

func (b *BudgetUse) field(f field) error {
	switch f.num {
	case 1:
		b.Budget = f.text()
	case 2:
		b.Scope = f.text()
	case 3:
		b.Guarantee = f.text()
	case 4:
		b.Pacing = f.text()
	case 5:
		b.Start = f.time()
	case 6:
		b.End = f.time()
	case 7:
		b.Limit = f.int()
	case 8:
		b.Reserved = f.int()
	case 9:
		b.Settled = f.int()
	case 10:
		b.Available = f.int()
	case 11:
		b.Lambda = f.float()
	case 12:
		b.Reserves = f.int()
	}
	return nil
}

func (d *Draw) append(w *wire) {
	w.text(1, d.Strategy)
	w.fixed(2, d.U)
	w.uint(3, uint64(d.Bucket))
	w.text(4, d.Best)
	w.bool(5, d.Explored)
	w.float(6, d.Epsilon)
	w.float(7, d.Gamma)
	w.float(8, d.Scale)
	w.float(9, d.Floor)
	w.int(10, int64(d.K))
	w.float(11, d.Holdout)
	w.text(12, d.HoldoutID)
}

func (d *Draw) field(f field) error {
	switch f.num {
	case 1:
		d.Strategy = f.text()
	case 2:
		d.U = f.v
	case 3:
		d.Bucket = uint32(f.v)
	case 4:
		d.Best = f.text()
	case 5:
		d.Explored = f.bool()
	case 6:
		d.Epsilon = f.float()
	case 7:
		d.Gamma = f.float()
	case 8:
		d.Scale = f.float()
	case 9:
		d.Floor = f.float()
	case 10:
		d.K = int(f.int())
	case 11:
		d.Holdout = f.float()
	case 12:
		d.HoldoutID = f.text()
	}
	return nil
}

func (p *Provenance) append(w *wire) {
	w.text(1, p.BundleName)
	w.int(2, int64(p.BundleVersion))
	w.text(3, p.BundleDigest)
	w.text(4, p.Scope)
	w.bool(5, p.ScopeExact)
	w.texts(6, p.Chain)
	for _, m := range p.Models {
		at := w.open(7)
		w.text(1, m.Outcome)
		w.text(2, m.File)
		w.text(3, m.Digest)
		w.bool(4, m.Assumed)
		w.close(at)
	}
	w.int(8, int64(p.ProfileAge))
	w.text(9, p.Seed)
}

func (p *Provenance) field(f field) error {
	switch f.num {
	case 1:
		p.BundleName = f.text()
	case 2:
		p.BundleVersion = int(f.int())
	case 3:
		p.BundleDigest = f.text()
	case 4:
		p.Scope = f.text()
	case 5:
		p.ScopeExact = f.bool()
	case 6:
		p.Chain = append(p.Chain, f.text())
	case 7:
		return parseInto(f.raw, &p.Models, (*ModelRef).field)
	case 8:
		p.ProfileAge = time.Duration(f.int())
	case 9:
		p.Seed = f.text()
	}
	return nil
}

func (m *ModelRef) field(f field) error {
	switch f.num {
	case 1:
		m.Outcome = f.text()
	case 2:
		m.File = f.text()
	case 3:
		m.Digest = f.text()
	case 4:
		m.Assumed = f.bool()
	}
	return nil
}

func (v *Variable) append(w *wire) {
	w.text(1, v.Name)
	w.uint(2, uint64(v.Type))
	w.float(3, v.Number)
	w.text(4, v.Text)
	w.texts(5, v.List)
	w.uint(6, uint64(v.Purpose))
}

func (v *Variable) field(f field) error {
	switch f.num {
	case 1:
		v.Name = f.text()
	case 2:
		v.Type = VariableType(f.v)
	case 3:
		v.Number = f.float()
	case 4:
		v.Text = f.text()
	case 5:
		v.List = append(v.List, f.text())
	case 6:
		v.Purpose = uint8(f.v)
	}
	return nil
}
