package engine

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/rebound-engine/rebound/store"
)

// Token is what an offer token says, signed: enough to settle a redemption even
// if the decision behind it was lost. Money is in minor units.
type Token struct {
	DecisionID string
	OfferID    string
	Subject    store.Subject
	Currency   string
	Ceiling    int64
	Expected   int64 // expected cost, rounded up
	Issued     time.Time
	Expires    time.Time
	Budgets    []TokenBudget
}

// TokenBudget is a budget the offer is charged to, and the period.
type TokenBudget struct {
	ID         string
	Start, End time.Time
}

// ErrTokenForged: the token was not signed by any of the known keys.
var ErrTokenForged = errors.New("offer token is not signed by a known key")

const (
	tokenVersion = 1
	tokenMAC     = sha256.Size
	minTokenKey  = 16
)

// TokenKeys signs and checks offer tokens with HMAC-SHA256. The key id is part
// of the token, so that keys can be rotated: sign with one, accept several.
// Safe for concurrent use.
type TokenKeys struct {
	current string
	keys    map[string]*tokenKey
}

type tokenKey struct{ macs sync.Pool }

// NewTokenKeys takes the keys by id and the id of the one that signs.
// A key has at least 16 bytes.
func NewTokenKeys(current string, keys map[string][]byte) (*TokenKeys, error) {
	k := &TokenKeys{current: current, keys: make(map[string]*tokenKey, len(keys))}
	for id, secret := range keys {
		if len(secret) < minTokenKey || id == "" || len(id) > 64 {
			return nil, fmt.Errorf("token key %q: want an id of 1 to 64 bytes and a key of at least %d bytes, got %d", id, minTokenKey, len(secret))
		}
		secret = slices.Clone(secret)
		k.keys[id] = &tokenKey{macs: sync.Pool{New: func() any { return hmac.New(sha256.New, secret) }}}
	}
	if k.keys[current] == nil {
		return nil, fmt.Errorf("token key %q signs but is not among the %d keys given", current, len(keys))
	}
	return k, nil
}

// Sign returns the token's binary form: version, key id, fields, MAC.
func (k *TokenKeys) Sign(t *Token) []byte {
	b := make([]byte, 0, 256)
	b = append(b, tokenVersion, byte(len(k.current)))
	b = append(b, k.current...)
	b = t.append(b)
	return k.keys[k.current].sum(b, b)
}

// Verify checks the signature and returns what the token says. Expiry and
// customer are the caller's to check.
func (k *TokenKeys) Verify(raw []byte) (*Token, error) {
	if len(raw) < 2+tokenMAC || raw[0] != tokenVersion || len(raw) < 2+int(raw[1])+tokenMAC {
		return nil, fmt.Errorf("%w: it has no token's form", ErrTokenForged)
	}
	signed, mac := raw[:len(raw)-tokenMAC], raw[len(raw)-tokenMAC:]
	key := k.keys[string(raw[2:2+int(raw[1])])]
	if key == nil {
		return nil, fmt.Errorf("%w: key id %q is unknown", ErrTokenForged, raw[2:2+int(raw[1])])
	}
	var buf [tokenMAC]byte
	if !hmac.Equal(key.sum(buf[:0], signed), mac) {
		return nil, ErrTokenForged
	}
	return parseToken(signed[2+int(raw[1]):])
}

// sum appends the MAC of signed to b.
func (k *tokenKey) sum(b, signed []byte) []byte {
	mac := k.macs.Get().(hash.Hash)
	defer k.macs.Put(mac)
	mac.Reset()
	mac.Write(signed)
	return mac.Sum(b)
}

// Fields of a token.
const (
	tokDecision protowire.Number = iota + 1
	tokOffer
	tokSubject
	tokCurrency
	tokCeiling
	tokExpected
	tokIssued
	tokExpires
	tokBudget
)

func (t *Token) append(b []byte) []byte {
	w := wire{b}
	w.text(tokDecision, t.DecisionID)
	w.text(tokOffer, t.OfferID)
	w.bytes(tokSubject, t.Subject[:])
	w.text(tokCurrency, t.Currency)
	w.int(tokCeiling, t.Ceiling)
	w.int(tokExpected, t.Expected)
	w.time(tokIssued, t.Issued)
	w.time(tokExpires, t.Expires)
	for _, r := range t.Budgets {
		at := w.open(tokBudget)
		w.text(1, r.ID)
		w.time(2, r.Start)
		w.time(3, r.End)
		w.close(at)
	}
	return w.b
}

func parseToken(b []byte) (*Token, error) {
	t := new(Token)
	err := fields(b, func(f field) error {
		switch f.num {
		case tokDecision:
			t.DecisionID = f.text()
		case tokOffer:
			t.OfferID = f.text()
		case tokSubject:
			return f.subject(&t.Subject)
		case tokCurrency:
			t.Currency = f.text()
		case tokCeiling:
			t.Ceiling = f.int()
		case tokExpected:
			t.Expected = f.int()
		case tokIssued:
			t.Issued = f.time()
		case tokExpires:
			t.Expires = f.time()
		case tokBudget:
			r, err := parseTokenBudget(f.raw)
			t.Budgets = append(t.Budgets, r)
			return err
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("offer token: %w", err)
	}
	return t, nil
}

func parseTokenBudget(b []byte) (r TokenBudget, err error) {
	err = fields(b, func(f field) error {
		switch f.num {
		case 1:
			r.ID = f.text()
		case 2:
			r.Start = f.time()
		case 3:
			r.End = f.time()
		}
		return nil
	})
	return r, err
}
