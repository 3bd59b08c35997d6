package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/rebound-engine/rebound/models/eval"
)

// fill adds all metrics of the model to a report.
func (j *judged) fill(r *eval.Report) error {
	if j.data.Arm == nil {
		return j.fillLevels(r)
	}
	if err := j.fillPolicy(r); err != nil {
		return err
	}
	for k := range j.offers {
		u, err := eval.EvaluateUplift(j.trial(k), j.bootstrap)
		if err != nil {
			return err
		}
		r.Uplift = append(r.Uplift, u)
	}
	return j.fillLevels(r)
}

// rows are the outcomes of some rows.
func (j *judged) rows(at []int) eval.Rows {
	var r eval.Rows
	d := j.data
	for _, i := range at {
		r.Outcome = append(r.Outcome, d.Y[i])
		if d.Weight != nil {
			r.Weight = append(r.Weight, d.Weight[i])
		}
		if d.Group != nil {
			r.Cluster = append(r.Cluster, int(d.Group[i]))
		}
	}
	return r
}

// trial is the model's k-th offer on the rows with it and without any.
func (j *judged) trial(k int) eval.UpliftInput {
	d, offer := j.data, j.offers[k]
	arm := slices.Index(d.Offers, offer) + 1
	chance := chances(d)
	in := eval.UpliftInput{Model: j.name, Arm: offer, Outcome: d.Outcome, Unit: d.Unit}
	var at []int
	for i, a := range d.Arm {
		if a != 0 && a != arm {
			continue
		}
		at = append(at, i)
		in.Trial.Treated = append(in.Trial.Treated, a == arm)
		in.Score = append(in.Score, j.predicted.effects[k][i])
		if j.mu != nil {
			in.Mu0, in.Mu1 = append(in.Mu0, j.mu[i][0]), append(in.Mu1, j.mu[i][arm])
		}
		if d.Logged != nil {
			with, none := chance(arm, i), chance(0, i)
			in.Propensity = append(in.Propensity, with/(with+none))
		}
	}
	in.Trial.Rows = j.rows(at)
	return in
}

// arms are the judged rows as an experiment.
func (j *judged) arms() eval.Arms {
	d := j.data
	chance := chances(d)
	a := eval.Arms{Rows: j.rows(allIndexes(d.Rows())), Unit: d.Unit, Names: append([]string{"none"}, d.Offers...), Arm: d.Arm, Mu: j.mu}
	for i, got := range d.Arm {
		a.Propensity = append(a.Propensity, chance(got, i))
	}
	return a
}

// choice gives each row the offer with the largest effect above 0.
func (j *judged) choice() []int {
	out := make([]int, j.data.Rows())
	for i := range out {
		if k := j.predicted.best(i); k >= 0 {
			out[i] = slices.Index(j.data.Offers, j.offers[k]) + 1
		}
	}
	return out
}

func (j *judged) fillPolicy(r *eval.Report) error {
	p, err := eval.EvaluatePolicy(eval.PolicyInput{Model: j.name, Outcome: j.data.Outcome, Arms: j.arms(), Choice: j.choice()}, j.bootstrap)
	if err != nil {
		return err
	}
	r.Policies = append(r.Policies, p)
	return nil
}

// fillLevels judges the predicted chance without an offer on the rows without
// one; only outcomes that are 0 or 1 have that.
func (j *judged) fillLevels(r *eval.Report) error {
	var at []int
	var p []float64
	for i, y := range j.data.Y {
		if y != 0 && y != 1 || j.data.Unit != "probability" {
			return nil
		}
		if j.data.Arm == nil || j.data.Arm[i] == 0 {
			at, p = append(at, i), append(p, math.Min(math.Max(j.predicted.without[i], 0), 1))
		}
	}
	b, err := eval.EvaluateBinary(eval.Prediction{Name: j.name + ", no offer", P: p}, j.rows(at), j.bootstrap)
	if err != nil {
		return fmt.Errorf("chance without an offer: %w", err)
	}
	r.Binary = append(r.Binary, b)
	return nil
}
