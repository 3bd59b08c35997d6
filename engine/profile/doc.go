// Package profile turns a retailer's events into what a decision may know of a
// customer. It owns the event, its checks and its binary form; the fold from
// events to two records per customer (history and features), kept as one; the view that
// reads the features record in place; and Table, the one list of every feature
// with unit, window, formula and purpose.
//
// The fold does not depend on order: the history record is a set of events
// (keyed by event id, cut at a stated horizon) and the features record is a
// pure function of it, so that the same events in any order, batching or number
// of workers give byte-identical records, and duplicates change nothing.
//
// It refuses to know policies, models, budgets, files and wire protocols.
package profile
