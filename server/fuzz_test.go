package server

import (
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// FuzzDecideMessage: no bytes crash decoding, validation or conversion, and what the shortcut vouches for the rules accept.
func FuzzDecideMessage(f *testing.F) {
	v, err := newValidator()
	if err != nil {
		f.Fatal(err)
	}
	seed, err := proto.Marshal(benchRequest())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte{0x0a, 0x01, 0xff})
	q := new(question) // one for all: nothing of a request may reach the next
	f.Fuzz(func(t *testing.T, data []byte) {
		m := pb.DecideRequestFromVTPool()
		defer m.ReturnToVTPool()
		if m.UnmarshalVTUnsafe(data) != nil {
			return
		}
		ruled := v.judge(m)
		if sound(m) && ruled != nil {
			t.Errorf("vouched for, but %v", ruled)
		}
		if ruled != nil {
			return
		}
		err := q.read(m)
		r := &q.request
		if err == nil && (r.RequestID != m.GetRequestId() || len(r.Return.Lines) != len(m.GetItemReturn().GetLines())) {
			t.Errorf("request %v became %v", m, r)
		}
		if r.Basket != nil != (m.GetBasket() != nil) || len(r.Customer) != len(m.GetCustomerIds()) {
			t.Errorf("request %v became %v", m, r)
		}
		q.forget()
	})
}

// FuzzEventMessage: an event that passes the rules is converted there and back without loss of its kind.
func FuzzEventMessage(f *testing.F) {
	v, err := newValidator()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{0x0a, 0x01, 'e'})
	f.Fuzz(func(t *testing.T, data []byte) {
		m := new(pb.Event)
		if m.UnmarshalVTUnsafe(data) != nil || v.judge(&pb.RecordEventsRequest{Events: []*pb.Event{m}}) != nil {
			return
		}
		e, err := toEvent(m)
		if err != nil {
			return
		}
		back := fromEvent(e)
		if back.GetEventId() != m.GetEventId() || (back.GetPurchase() == nil) != (m.GetPurchase() == nil) || (back.GetItemReturn() == nil) != (m.GetItemReturn() == nil) {
			t.Errorf("event %v came back as %v", m, back)
		}
	})
}
