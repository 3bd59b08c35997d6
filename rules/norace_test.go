//go:build !race

package rules

// slowdown is how much more time the race detector takes.
const slowdown = 1
