package engine

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/store"
)

// ProfileView is what is known of a customer at one time.
type ProfileView struct {
	Customer  profile.Identity
	Version   store.Position // the log position it includes
	LastEvent time.Time      // zero if nothing has happened
	Features  []ProfileFeature
}

// ProfileFeature is one row of the feature table with its value.
type ProfileFeature struct {
	Variable
	Missing  bool
	Unit     string
	Security bool // used also without consent
}

// Profile computes what is known of a customer at a business time; the zero
// time is now. Money and hours are in currency and time zone of the company's policy;
// before there is one, of the customer's newest purchase and UTC. The error
// wraps ErrNotFound for a customer nobody has seen.
func (e *Engine) Profile(ctx context.Context, id profile.Identity, asOf time.Time) (*ProfileView, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	if asOf.IsZero() {
		asOf = e.businessNow(e.opts.Clock())
	}
	seen, at, err := e.seen(profile.SubjectOf(id), asOf)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	v := &ProfileView{Customer: id, Version: at}
	v.LastEvent, _ = seen.View().Newest()
	for _, f := range profile.Table() {
		if strings.HasPrefix(f.Name, "customer.") {
			v.Features = append(v.Features, featureOf(seen, &f))
		}
	}
	return v, nil
}

// seen reads the records of a customer.
func (e *Engine) seen(of store.Subject, asOf time.Time) (*profile.Seen, store.Position, error) {
	records, at, err := readProfile(e.opts.Store, of)
	if err != nil {
		return nil, 0, err
	}
	offers, err := readOffers(e.opts.Store, of)
	if err != nil {
		return nil, 0, err
	}
	view, err := profile.Open(records.Features)
	if err != nil {
		return nil, 0, err
	}
	currency, zone := cmp.Or(view.Currency(), "USD"), time.UTC // without purchases no money is counted
	if s := e.active.Load(); s != nil {
		company := s.scopes[""]
		currency, zone = company.Currency, company.Location
	}
	seen := new(profile.Seen)
	asOf = asOf.Truncate(time.Millisecond).In(zone)
	if err := seen.Read(records, offers.known(nil, milli(asOf)), nil, asOf, currency); err != nil {
		return nil, 0, err
	}
	if !seen.View().Known() {
		return nil, 0, ErrNotFound
	}
	return seen, at, nil
}

func featureOf(seen *profile.Seen, f *profile.Feature) ProfileFeature {
	v := featureVariable(*f)
	out := ProfileFeature{Unit: f.Unit, Security: f.Purpose == profile.Security, Variable: Variable{Name: f.Name, Type: valueType(v.Type), Purpose: uint8(v.Purpose)}}
	switch f.Type {
	case profile.String:
		out.Text = strings.Clone(seen.Text(f))
	case profile.Strings:
		for _, x := range seen.Texts(nil, f) {
			out.List = append(out.List, strings.Clone(x))
		}
	default:
		out.Number = seen.Number(f)
		out.Missing = math.IsNaN(out.Number)
	}
	return out
}
