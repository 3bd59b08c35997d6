package sim

import (
	"math"

	"github.com/rebound-engine/rebound/internal/splitmix"
)

// luck is a stream of draws named by seed, customer, day and purpose
// (SplitMix64 with the name as its state).
type luck struct{ state uint64 }

// purpose keeps draws for different things apart.
type purpose uint64

const (
	forTraits purpose = iota + 1
	forDay
	forBasket
	forReturn
	forOffer
	forStyle
)

func draw(seed uint64, who, when int, what purpose) luck {
	h := splitmix.Mix(seed + splitmix.Gamma*uint64(what))
	h = splitmix.Mix(h ^ uint64(who)*0xbf58476d1ce4e5b9)
	return luck{splitmix.Mix(h ^ uint64(when)*0x94d049bb133111eb)}
}

func (l *luck) next() uint64 {
	l.state += splitmix.Gamma
	return splitmix.Mix(l.state)
}

// unit is uniform in [0, 1).
func (l *luck) unit() float64 { return float64(l.next()>>11) / (1 << 53) }

// below is uniform in 0 … n-1; n is small, the bias is below 2^-50.
func (l *luck) below(n int) int { return int(l.unit() * float64(n)) }

func (l *luck) chance(p float64) bool { return l.unit() < p }

// normal is standard normal (Box and Muller 1958).
func (l *luck) normal() float64 {
	radius := math.Sqrt(-2 * math.Log(1-l.unit()))
	return radius * math.Cos(2*math.Pi*l.unit())
}
