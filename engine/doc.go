// Package engine owns the decision: which incentive, if any, a customer is
// offered at a return, and what it may cost. It joins a compiled bundle
// (rules), predictions (models), what is known of the customer
// (engine/profile) and the money ledger, and appends every outcome to the
// commit log (store) before it answers.
//
// It refuses to know transport, wire messages of the API, databases and files:
// a store comes in behind its contract, model files through an opener, both
// clocks and all keys by Options.
package engine
