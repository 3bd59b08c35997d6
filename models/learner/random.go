package learner

import "github.com/rebound-engine/rebound/internal/splitmix"

// stream is a counter-based random stream: independent of draw order
// elsewhere, so parallel work stays repeatable.
type stream struct{ key, at uint64 }

// newStream derives a stream from a seed and a path of purposes.
func newStream(seed uint64, path ...uint64) *stream {
	k := splitmix.Sum64(seed)
	for _, p := range path {
		k = splitmix.Sum64(k ^ splitmix.Sum64(p+0x5851F42D4C957F2D))
	}
	return &stream{key: k}
}

func (s *stream) next() uint64 {
	s.at++
	return splitmix.Sum64(s.key + s.at*0xD1342543DE82EF95)
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
