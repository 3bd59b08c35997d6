package server

import (
	"unicode/utf8"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// sound tells that a DecideRequest certainly breaks no field rule. It is a
// shortcut for the common case: what it does not vouch for is judged by the
// rules in the protos, which stay the only authority. A test keeps the two
// together by breaking every field in turn.
func sound(m *pb.DecideRequest) bool {
	return word(m.GetRequestId(), 128) && len(m.GetCustomerIds()) <= 1 && soundCustomers(m.GetCustomerIds()) &&
		within(m.GetConsent(), 0, pb.Consent_CONSENT_DENIED) &&
		text(m.GetStoreId(), 64) && text(m.GetScope(), 256) &&
		within(m.GetChannel(), pb.Channel_CHANNEL_STORE, pb.Channel_CHANNEL_ONLINE) &&
		within(m.GetPhase(), pb.Phase_PHASE_STARTED, pb.Phase_PHASE_AFTER) &&
		soundReturn(m.GetItemReturn()) &&
		(m.GetBasket() == nil || soundMoney(m.GetBasket().GetTotal())) &&
		text(m.GetAssociateId(), 64) && text(m.GetJurisdiction(), 16) &&
		within(m.GetExplain(), 0, pb.Explain_EXPLAIN_FULL) &&
		within(m.GetAudience(), 0, pb.Audience_AUDIENCE_CUSTOMER)
}

func soundCustomers(ids []*pb.CustomerId) bool {
	for _, id := range ids {
		if !word(id.GetNamespace(), 64) || !word(id.GetValue(), 256) {
			return false
		}
	}
	return true
}

func soundReturn(r *pb.ItemReturn) bool {
	n := len(r.GetLines())
	if n < 1 || n > 500 || !word(r.GetReturnId(), 128) || !text(r.GetOrderId(), 128) || !text(r.GetTender(), 64) ||
		!within(r.GetAuthorization(), 0, pb.Authorization_AUTHORIZATION_DENIED) || !soundMoney(r.GetRefund()) {
		return false
	}
	for _, l := range r.GetLines() {
		if !soundLine(l) {
			return false
		}
	}
	return true
}

func soundLine(l *pb.ReturnLine) bool {
	return word(l.GetSku(), 128) && text(l.GetStyle(), 128) && text(l.GetSize(), 64) && text(l.GetCategory(), 128) &&
		l.GetQuantity() > 0 && l.GetQuantity() <= 1_000_000 && soundAmount(l.GetPaidMinorUnits()) &&
		text(l.GetReason(), 64) && text(l.GetCondition(), 64) && text(l.GetDecisionId(), 64)
}

func soundMoney(m *pb.Money) bool {
	return len(m.GetCurrencyCode()) == 3 && ascii(m.GetCurrencyCode()) && soundAmount(m.GetMinorUnits())
}

func soundAmount(n int64) bool { return n >= 0 && n <= 1_000_000_000_000_000 }

// text tells that s is valid and surely has no more characters than limit: it has no more bytes.
func text(s string, limit int) bool { return len(s) <= limit && utf8.ValidString(s) }

// word is text that is not empty.
func word(s string, limit int) bool { return s != "" && text(s, limit) }

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func within[E ~int32](v, first, last E) bool { return v >= first && v <= last }
