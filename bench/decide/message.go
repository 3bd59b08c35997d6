package main

import (
	"bytes"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// digits is the width of the numbers that make one request differ from the next.
const digits = 10

var (
	callMark     = strings.Repeat("c", digits) // the number of the call
	customerMark = strings.Repeat("k", digits) // the number of the customer

	associateMark = strings.Repeat("a", digits) // the number of the associate
)

// template is a marshalled request whose numbers are written in place.
type template struct {
	bytes           []byte
	calls, customer []int // offsets of the numbers
	associate       []int
}

// newTemplate marshals a request of about 570 bytes: a return of three lines by a known customer.
func newTemplate() (*template, error) {
	m := &pb.DecideRequest{
		RequestId:   "req-" + callMark,
		CustomerIds: []*pb.CustomerId{{Namespace: "loyalty", Value: customerMark}},
		Consent:     pb.Consent_CONSENT_GRANTED,
		Place:       &pb.DecideRequest_Scope{Scope: ""},
		Channel:     pb.Channel_CHANNEL_STORE,
		Phase:       pb.Phase_PHASE_REFUNDED,
		ItemReturn: &pb.ItemReturn{
			ReturnId: "return-" + callMark, OrderId: "order-" + callMark,
			Authorization: pb.Authorization_AUTHORIZATION_APPROVED, Tender: "ORIGINAL",
			Refund: &pb.Money{CurrencyCode: "USD", MinorUnits: 12000},
		},
		Basket:       &pb.Basket{Total: &pb.Money{CurrencyCode: "USD", MinorUnits: 9000}},
		AssociateId:  "associate-" + associateMark,
		Jurisdiction: "US-NY",
	}
	for i, size := range []string{"41", "42", "43"} {
		m.ItemReturn.Lines = append(m.GetItemReturn().GetLines(), &pb.ReturnLine{
			Sku: fmt.Sprintf("runner-blue-%s-%020d", size, i), Style: "runner-blue-2026-autumn", Size: size, Category: "shoes",
			Quantity: 1, PaidMinorUnits: 4000, Reason: "SIZE", Condition: "UNWORN",
		})
	}
	b, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("marshal template: %w", err)
	}
	return &template{bytes: b, calls: offsets(b, callMark), customer: offsets(b, customerMark), associate: offsets(b, associateMark)}, nil
}

func offsets(b []byte, mark string) []int {
	var out []int
	for from := 0; ; {
		i := bytes.Index(b[from:], []byte(mark))
		if i < 0 {
			return out
		}
		out = append(out, from+i)
		from += i + len(mark)
	}
}

// associates is how many tills the calls come from.
const associates = 4000

// fill writes a request into dst, which has the template's length.
func (t *template) fill(dst []byte, call, customer uint64) {
	copy(dst, t.bytes)
	for _, at := range t.calls {
		number(dst[at:at+digits], call)
	}
	for _, at := range t.customer {
		number(dst[at:at+digits], customer)
	}
	for _, at := range t.associate {
		number(dst[at:at+digits], call%associates)
	}
}

func number(dst []byte, n uint64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
}
