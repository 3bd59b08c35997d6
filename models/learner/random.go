package learner

// splitmix64 is the mixing function of Steele, Lea and Flood (2014): the one
// source of randomness here, so that any language can repeat a split.
func splitmix64(x uint64) uint64 {
	z := x + 0x9E3779B97F4A7C15
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
	z = (z ^ (z >> 27)) * 0x94D049BB133111EB
	return z ^ (z >> 31)
}

// stream is a counter-based random stream: independent of draw order
// elsewhere, so parallel work stays repeatable.
type stream struct{ key, at uint64 }

// newStream derives a stream from a seed and a path of purposes.
func newStream(seed uint64, path ...uint64) *stream {
	k := splitmix64(seed)
	for _, p := range path {
		k = splitmix64(k ^ splitmix64(p+0x5851F42D4C957F2D))
	}
	return &stream{key: k}
}

func (s *stream) next() uint64 {
	s.at++
	return splitmix64(s.key + s.at*0xD1342543DE82EF95)
}

// uniform is in [0,1).
func (s *stream) uniform() float64 { return float64(s.next()>>11) * 0x1p-53 }

// below is an integer in [0,n), n >= 1.
func (s *stream) below(n int) int { return int(s.uniform() * float64(n)) }

// shuffle permutes v in place (Fisher-Yates).
func shuffle[T any](s *stream, v []T) {
	for i := len(v) - 1; i > 0; i-- {
		j := s.below(i + 1)
		v[i], v[j] = v[j], v[i]
	}
}
