// Package ingest turns tables of transactions (CSV) into events, by a mapping
// file that says which column means what. It owns the mapping format, the
// grouping of rows into events, the counts and the reject file.
//
// It refuses to know where the events go: the caller records them.
package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/internal/currency"
)

// Mapping is the YAML form of a mapping file.
type Mapping struct {
	APIVersion string `yaml:"apiVersion"` // "rebound/v1"
	Kind       string `yaml:"kind"`       // "CsvMapping"
	Delimiter  string `yaml:"delimiter"`  // one character; default ","
	TimeLayout string `yaml:"timeLayout"` // Go layout; default RFC 3339
	Timezone   string `yaml:"timezone"`   // of times without an offset; default UTC
	Currency   string `yaml:"currency"`   // ISO 4217, of every row unless columns.currency is given
	EventID    string `yaml:"eventId"`    // prefix of event ids, so that two sources cannot collide
	Group      string `yaml:"group"`      // column whose equal values make one event (invoice, order)
	Channel    string `yaml:"channel"`    // of every row unless columns.channel is given
	Store      string `yaml:"store"`      // of every row unless columns.store is given

	Customer struct {
		Namespace string `yaml:"namespace"`
		Column    string `yaml:"column"` // an empty cell makes the row anonymous
	} `yaml:"customer"`

	Columns struct {
		Time      string `yaml:"time"`
		SKU       string `yaml:"sku"`
		Style     string `yaml:"style"`
		Size      string `yaml:"size"`
		Category  string `yaml:"category"`
		Quantity  string `yaml:"quantity"`
		UnitPrice string `yaml:"unitPrice"` // major units; or paid
		Paid      string `yaml:"paid"`      // whole line, major units
		Discount  string `yaml:"discount"`  // whole line, major units
		Currency  string `yaml:"currency"`
		Channel   string `yaml:"channel"`
		Store     string `yaml:"store"`
		Order     string `yaml:"order"` // of a return: the order it came from
		Reason    string `yaml:"reason"`
	} `yaml:"columns"`

	// Return says which rows are returns; their quantities may be negative and count by size.
	Return *Match `yaml:"return"`
	// Exclude leaves rows out on purpose; each is counted under its reason.
	Exclude []Match `yaml:"exclude"`
}

// Match selects rows by one column: a prefix, a regular expression the cell must or must not match.
type Match struct {
	Column      string `yaml:"column"`
	Prefix      string `yaml:"prefix"`
	Matching    string `yaml:"matching"`
	NotMatching string `yaml:"notMatching"`
	Reason      string `yaml:"reason"`
}

// ParseMapping reads a mapping file; unknown keys and all other problems are errors with their place.
func ParseMapping(name string, data []byte) (*Mapping, error) {
	m := &Mapping{}
	if err := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(m); err != nil {
		return nil, fmt.Errorf("mapping %s: %s", name, yaml.FormatError(err, false, true))
	}
	if err := m.validate(); err != nil {
		return nil, fmt.Errorf("mapping %s: %w", name, err)
	}
	return m, nil
}

func (m *Mapping) validate() error {
	var errs []error
	need := func(key, value string) {
		if value == "" {
			errs = append(errs, fmt.Errorf("%s is missing", key))
		}
	}
	if m.APIVersion != "rebound/v1" || m.Kind != "CsvMapping" {
		errs = append(errs, errors.New(`apiVersion must be "rebound/v1" and kind "CsvMapping"`))
	}
	need("group", m.Group)
	need("customer.namespace", m.Customer.Namespace)
	need("customer.column", m.Customer.Column)
	need("columns.time", m.Columns.Time)
	need("columns.sku", m.Columns.SKU)
	need("columns.quantity", m.Columns.Quantity)
	if (m.Columns.UnitPrice == "") == (m.Columns.Paid == "") {
		errs = append(errs, errors.New("give either columns.unitPrice or columns.paid"))
	}
	if m.Columns.Currency == "" {
		if _, ok := currency.Exponent(m.Currency); !ok {
			errs = append(errs, fmt.Errorf("currency %q is not an ISO 4217 code", m.Currency))
		}
	}
	if m.Columns.Channel == "" {
		if _, ok := channels[m.Channel]; !ok {
			errs = append(errs, fmt.Errorf("channel %q is none of %s", m.Channel, channelNames))
		}
	}
	if len([]rune(m.Delimiter)) > 1 {
		errs = append(errs, fmt.Errorf("delimiter %q is longer than one character", m.Delimiter))
	}
	if _, err := time.LoadLocation(m.Timezone); err != nil {
		errs = append(errs, fmt.Errorf("timezone %q: %w", m.Timezone, err))
	}
	return errors.Join(errs...)
}

const channelNames = "STORE, MAIL, BORIS, BOPIS, CURBSIDE, LOCKER, THIRD_PARTY, ONLINE"

var channels = map[string]profile.Channel{
	"STORE": profile.ChannelStore, "MAIL": profile.ChannelMail, "BORIS": profile.ChannelBORIS,
	"BOPIS": profile.ChannelBOPIS, "CURBSIDE": profile.ChannelCurbside, "LOCKER": profile.ChannelLocker,
	"THIRD_PARTY": profile.ChannelThirdParty, "ONLINE": profile.ChannelOnline,
}

// matcher is a compiled Match.
type matcher struct {
	column int
	prefix string
	re     *regexp.Regexp
	negate bool
	reason string
}

func (m *Match) compile(purpose string, column func(string) (int, error)) (*matcher, error) {
	i, err := column(m.Column)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", purpose, err)
	}
	c := &matcher{column: i, prefix: m.Prefix, reason: m.Reason}
	pattern := m.Matching
	if m.NotMatching != "" {
		pattern, c.negate = m.NotMatching, true
	}
	if pattern != "" {
		if c.re, err = regexp.Compile(pattern); err != nil {
			return nil, fmt.Errorf("%s: column %s: %w", purpose, m.Column, err)
		}
	}
	if c.prefix == "" && c.re == nil {
		return nil, fmt.Errorf("%s: column %s needs prefix, matching or notMatching", purpose, m.Column)
	}
	if c.reason == "" {
		c.reason = "EXCLUDED"
	}
	return c, nil
}

func (c *matcher) matches(row []string) bool {
	cell := row[c.column]
	if c.re != nil && c.re.MatchString(cell) == c.negate {
		return false
	}
	return strings.HasPrefix(cell, c.prefix)
}
