//go:build race

package learner_test

// raceDetector makes sync.Pool drop what it holds: allocations are not counted under it.
const raceDetector = true
