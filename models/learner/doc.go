// Package learner trains uplift models from the outcomes of a past campaign:
// boosted trees, regularised linear models, honest causal forests, the S-, T-,
// X-, R- and DR-learners over them, the calibration of levels and of effects,
// and the tournament that picks among them on training data alone. Everything
// it trains becomes one native artifact of package models.
//
// It is deterministic: the same data, settings and seed give the same bits for
// any number of threads. It refuses to know where data is stored, what an
// offer costs and what a policy does with a score.
package learner
