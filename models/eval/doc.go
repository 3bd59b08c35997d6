// Package eval judges predictions and policies against recorded outcomes:
// binary metrics, uplift and Qini curves, calibration of levels and of effects,
// the value of a policy from logged data, permutation importance, drift, and a
// report of it all as text, JSON and one HTML page.
//
// Everything is a pure function of columns of equal length: predictions,
// outcomes, arms, weights, propensities, cluster ids. Randomness comes from a
// seed in the arguments, so the same call gives the same answer, bit for bit,
// on any number of cores.
//
// It refuses to know where the columns came from: it reads no file but writes a
// report to an io.Writer, calls no model except through a function handed to
// it, and knows neither policies of package rules nor the decision itself.
package eval
