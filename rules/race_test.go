//go:build race

package rules

// Slowdown is how much more time the race detector takes.
const Slowdown = 20
