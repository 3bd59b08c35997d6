package profile

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// wireReader walks the fields of one message; the first error ends the walk.
type wireReader struct {
	what  string
	b     []byte
	field protowire.Number
	typ   protowire.Type
	last  protowire.Number
	err   error
}

// newWireReader checks the version byte.
func newWireReader(b []byte, what string) (*wireReader, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%s: %w: empty", what, ErrEncoding)
	}
	if b[0] != eventVersion {
		return nil, fmt.Errorf("%s: %w: version %d, this build reads %d", what, ErrEncoding, b[0], eventVersion)
	}
	return &wireReader{what: what, b: b[1:]}, nil
}

func (r *wireReader) fail(problem string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %w: field %d: %s", r.what, ErrEncoding, r.field, problem)
	}
}

// next moves to the next field; fields come in ascending order.
func (r *wireReader) next() bool {
	if r.err != nil || len(r.b) == 0 {
		return false
	}
	field, typ, n := protowire.ConsumeTag(r.b)
	if n < 0 {
		r.fail("cut off or malformed tag after it")
		return false
	}
	if field < r.last {
		r.field = field
		r.fail("out of order")
		return false
	}
	r.last, r.field, r.typ, r.b = field, field, typ, r.b[n:]
	return true
}

func (r *wireReader) unknown() { r.fail("not known to this build") }

func (r *wireReader) bytes() []byte {
	if r.typ != protowire.BytesType {
		r.fail("wrong wire type")
		return nil
	}
	v, n := protowire.ConsumeBytes(r.b)
	if n < 0 {
		r.fail("cut off")
		return nil
	}
	r.b = r.b[n:]
	return v
}

func (r *wireReader) string() string { return string(r.bytes()) }

func (r *wireReader) uint() uint64 {
	if r.typ != protowire.VarintType {
		r.fail("wrong wire type")
		return 0
	}
	v, n := protowire.ConsumeVarint(r.b)
	if n < 0 {
		r.fail("cut off")
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *wireReader) int() int64 { return protowire.DecodeZigZag(r.uint()) }

func (r *wireReader) upTo(limit uint64) uint64 {
	v := r.uint()
	if v > limit {
		r.fail("out of range")
		return 0
	}
	return v
}

func (r *wireReader) bool() *bool {
	v := r.upTo(2)
	if v == 0 {
		r.fail("not a truth value")
		return nil
	}
	truth := v == 2
	return &truth
}

func (r *wireReader) time() time.Time { return time.UnixMilli(r.int()).UTC() }

func (r *wireReader) line() Line {
	in := wireReader{what: r.what + " line", b: r.bytes()}
	l := Line{}
	for in.next() {
		switch in.field {
		case lSKU:
			l.SKU = in.string()
		case lStyle:
			l.Style = in.string()
		case lSize:
			l.Size = in.string()
		case lCategory:
			l.Category = in.string()
		case lQuantity:
			l.Quantity = in.int()
		case lPaid:
			l.Paid = in.int()
		case lDiscount:
			l.Discount = in.int()
		case lReason:
			l.Reason = in.string()
		case lCondition:
			l.Condition = in.string()
		case lPurchasedAt:
			l.PurchasedAt = in.time()
		case lDecision:
			l.DecisionID = in.string()
		default:
			in.unknown()
		}
	}
	if r.err == nil {
		r.err = in.err
	}
	return l
}
