// Package splitmix hashes integers evenly, the same way on every machine and in
// every language, so that a split of customers can be repeated anywhere. It
// owns SplitMix64 (Steele, Lea and Flood, Fast splittable pseudorandom number
// generators, OOPSLA 2014, with variant 13 of Stafford's mixing functions); it
// refuses to know seeds, streams and what is drawn.
package splitmix

// Gamma is what the state grows by from number to number: 2^64 divided by the golden ratio.
const Gamma = 0x9E3779B97F4A7C15

// Sum64 is the first number of the generator with state x.
func Sum64(x uint64) uint64 { return Mix(x + Gamma) }

// Mix makes a number of a state: each bit of z changes about half of the bits.
func Mix(z uint64) uint64 {
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
	z = (z ^ (z >> 27)) * 0x94D049BB133111EB
	return z ^ (z >> 31)
}
