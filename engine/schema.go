package engine

import (
	"strings"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/rules"
)

// channelNames and phases as policies write them.
func channelNames() []string {
	var out []string
	for c := profile.ChannelStore; c <= profile.ChannelThirdParty; c++ {
		out = append(out, c.String())
	}
	return out
}

// Schema declares the variables the engine gives to policies: request.*, ret.*,
// customer.* and now.*. rules.Load takes it.
func Schema() rules.Schema {
	vars := requestVariables()
	for _, f := range profile.Table() {
		vars = append(vars, featureVariable(f))
	}
	return rules.Schema{Variables: vars}
}

func requestVariables() []rules.Variable {
	return []rules.Variable{
		{Name: "request.channel", Type: rules.String, Origin: rules.OriginRequest, Values: channelNames(), Doc: "where the return takes place"},
		{Name: "request.phase", Type: rules.String, Origin: rules.OriginRequest, Values: phaseNames[1:], Doc: "how far the return has come"},
		{Name: "request.scope", Type: rules.String, Origin: rules.OriginRequest, Doc: "scope as asked for, e.g. us.ne.0412"},
		{Name: "request.store", Type: rules.String, Origin: rules.OriginRequest, Doc: "last part of the scope"},
		{Name: "request.jurisdiction", Type: rules.String, Origin: rules.OriginRequest, Doc: "country, or country and state, e.g. US-NY"},
		{Name: "request.consent", Type: rules.Bool, Origin: rules.OriginRequest, Doc: "whether personal fields may be used"},
		{Name: "request.has_associate", Type: rules.Bool, Origin: rules.OriginRequest, Doc: "an associate is at the till"},
		{Name: "request.has_basket", Type: rules.Bool, Origin: rules.OriginRequest, Doc: "the customer has a basket in hand"},
		{Name: "request.basket_in_hand", Type: rules.Money, Origin: rules.OriginRequest, Unit: "money", Doc: "value of the basket in hand; absent if there is none"},
		{Name: "now.hour", Type: rules.Number, Origin: rules.OriginRequest, Unit: "hour", Doc: "business time in the scope's time zone, 0 to 23"},
		{Name: "now.weekday", Type: rules.Number, Origin: rules.OriginRequest, Unit: "weekday", Doc: "0 is Sunday"},
		{Name: "now.day_of_month", Type: rules.Number, Origin: rules.OriginRequest, Unit: "day", Doc: "1 to 31"},
		{Name: "now.month", Type: rules.Number, Origin: rules.OriginRequest, Unit: "month", Doc: "1 to 12"},
		{Name: "now.year", Type: rules.Number, Origin: rules.OriginRequest, Unit: "year", Doc: "e.g. 2026"},
	}
}

// featureVariable declares a row of the feature table. What is said of the
// return but looks back on the customer is as personal as the rest.
func featureVariable(f profile.Feature) rules.Variable {
	v := rules.Variable{Name: f.Name, Type: featureType(f), Origin: rules.OriginProfile, Unit: f.Unit, Doc: featureDoc(f)}
	if strings.HasPrefix(f.Name, "ret.") {
		v.Origin = rules.OriginRequest
	}
	switch {
	case f.Purpose == profile.Security:
		v.Purpose = rules.PurposeSecurity
	case f.Purpose == profile.Personal, f.Window != "":
		v.Purpose, v.Origin = rules.PurposePersonal, rules.OriginProfile
	}
	return v
}

func featureType(f profile.Feature) rules.Type {
	switch f.Type {
	case profile.Bool:
		return rules.Bool
	case profile.String:
		return rules.String
	case profile.Strings:
		return rules.Strings
	}
	switch f.Unit {
	case "money":
		return rules.Money
	case "share":
		return rules.Share
	}
	return rules.Number
}

func featureDoc(f profile.Feature) string {
	if f.Window == "" {
		return f.Formula
	}
	return f.Formula + "; " + f.Window
}
