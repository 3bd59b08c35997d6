//go:build !race

package foreign_test

// raceDetector makes sync.Pool drop what it holds: allocations are not counted under it.
const raceDetector = false
