package server

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/rebound-engine/rebound/engine"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// decisions differ in everything whose memory an answer keeps.
func decisions() []*engine.Decision {
	full := eightCandidates()
	none := &engine.Decision{ID: "d-2", Outcome: engine.OutcomeNoOffer, Assigned: engine.None, Provenance: engine.Provenance{ProfileAge: -1, ProfileVersion: 1}}
	timeless, long := eightCandidates(), eightCandidates()
	timeless.Time, timeless.Token, timeless.Arms, timeless.Disclosures, timeless.Provenance.Models = time.Time{}, nil, nil, nil, nil
	timeless.Provenance.ProfileVersion = 0
	timeless.Offer = &engine.Terms{OfferID: "text", Params: []engine.Param{{Name: "category", Text: "basics", IsText: true}}}
	for i := range 5 {
		id := fmt.Sprint("x-", i)
		long.Offer.Params = append(long.Offer.Params, engine.Param{Name: id, Number: float64(i)})
		long.Disclosures = append(long.Disclosures, engine.Disclosure{ID: id, Text: id})
		long.Arms = append(long.Arms, engine.Arm{Experiment: id, Chance: 0.5})
		long.Provenance.Models = append(long.Provenance.Models, engine.ModelRef{Outcome: id, Assumed: i%2 == 0})
		long.Degraded = append(long.Degraded, engine.Degradation{Subject: id})
	}
	return []*engine.Decision{full, none, long, timeless, none, timeless, full, long}
}

// An answer in used memory is the one that new memory would have given.
func TestAnswersKeepNothingOfEarlierOnes(t *testing.T) {
	c := newDecideCall(t, io.Discard)
	of := &answering{}
	c.srv.decisions = of
	for range 5 {
		for i, d := range decisions() {
			of.decision = d
			a, err := c.srv.answer(t.Context(), benchRequest())
			if err != nil {
				t.Fatal(err)
			}
			out, err := c.codec.Marshal(a)
			if err != nil {
				t.Fatal(err)
			}
			got, want := new(pb.DecideResponse), fromDecision(new(parts), d, pb.Explain_EXPLAIN_UNSPECIFIED)
			if err := proto.Unmarshal(out.Materialize(), got); err != nil {
				t.Fatal(err)
			}
			out.Free()
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Fatalf("answer %d (-want +got):\n%s", i, diff)
			}
		}
	}
}
