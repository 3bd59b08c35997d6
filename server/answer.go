package server

import (
	"sync"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// answer is a response to Decide together with its parts. It is marshalled as
// the response; then the codec gives both back for the next call.
type answer struct {
	*pb.DecideResponse
	parts parts
	pool  *sync.Pool
}

// ReturnToVTPool implements vtcodec.Pooled.
func (a *answer) ReturnToVTPool() {
	a.DecideResponse.ReturnToVTPool()
	a.DecideResponse = nil
	a.parts.forget()
	a.pool.Put(a)
}

// parts are what a response has one of at most, and their lists: the generated pools do not keep them.
type parts struct {
	offer      pb.Offer
	ceiling    pb.Money
	provenance pb.Provenance
	timings    pb.Timings
	age        durationpb.Duration
	token      []byte

	validFrom, expiresAt, decidedAt timestamppb.Timestamp
}

// forget lets go of all that belongs to one response, and keeps the memory of what varies in length.
func (p *parts) forget() {
	params, channels, disclosures := blank(p.offer.GetParams()), p.offer.GetChannels()[:0], blank(p.offer.GetDisclosures())
	p.offer.Reset()
	p.offer.Params, p.offer.Channels, p.offer.Disclosures = params, channels, disclosures
	models := blank(p.provenance.GetModels())
	p.provenance.Reset()
	p.provenance.Models = models
	p.ceiling.Reset()
	p.timings.Reset()
	p.age.Reset()
	p.validFrom.Reset()
	p.expiresAt.Reset()
	p.decidedAt.Reset()
	p.token = p.token[:0]
}

// blank empties a list for next to lengthen again.
func blank[M interface{ Reset() }](list []M) []M {
	for _, m := range list {
		m.Reset()
	}
	return list[:0]
}
