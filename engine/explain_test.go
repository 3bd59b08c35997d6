package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rebound-engine/rebound/engine"
)

func TestNarrate(t *testing.T) {
	w := newWorld(t, sharedBundle(t))
	for i := range 6 {
		w.record(purchase(fmt.Sprint("p", i), "anna", start.AddDate(0, -i-1, 0), 15000))
	}
	basket := int64(40000)
	offers := 0
	for i := range 40 {
		r := request(fmt.Sprint("r", i), "anna")
		r.Customer[0].Value = fmt.Sprint("anna", i)
		r.Basket = &basket
		d := w.decide(r)
		associate := engine.Narrate(d, engine.VoiceAssociate)
		for _, secret := range []string{"score", "chance", "refused", "abuse", "held", "anna"} {
			if strings.Contains(strings.ToLower(associate), secret) {
				t.Errorf("the associate hears %q: %s", secret, associate)
			}
		}
		shop, full := engine.Narrate(d, engine.VoiceMerchandiser), engine.Narrate(d, engine.VoiceEngineer)
		if !strings.HasPrefix(full, shop) || !strings.Contains(full, d.Provenance.BundleDigest) {
			t.Error("the engineer hears less than the merchandiser")
		}
		for _, c := range d.Candidates {
			if c.Reason != "" && c.Reason != engine.ReasonExploreLimit && !strings.Contains(shop, string(c.Reason)) {
				t.Errorf("the refusal of %s is not told: %s", c.Offer, shop)
			}
		}
		switch d.Outcome {
		case engine.OutcomeOffer:
			offers++
			if !strings.Contains(shop, "gets "+d.Delivered) || !strings.Contains(associate, d.Delivered) {
				t.Errorf("the offer is not told: %s", shop)
			}
		case engine.OutcomeNoOffer:
			if !strings.HasPrefix(shop, "No offer") {
				t.Errorf("no offer is not told: %s", shop)
			}
		case engine.OutcomeHoldout:
			if !strings.Contains(shop, "held out") {
				t.Errorf("the holdout is not told: %s", shop)
			}
		}
	}
	if offers == 0 {
		t.Error("no offer in 40 decisions")
	}
}
