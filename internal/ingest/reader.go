package ingest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/internal/currency"
)

// Counts says what became of every row:
// Rows = Lines + Duplicate + Anonymous + the sum of Excluded + Rejected.
type Counts struct {
	Rows               int            `json:"rows"`
	Lines              int            `json:"lines"`               // rows that became a line of an event
	Duplicate          int            `json:"duplicate"`           // rows equal to an earlier row in every field
	Anonymous          int            `json:"anonymous"`           // rows without a customer, first occurrences
	AnonymousDuplicate int            `json:"anonymous_duplicate"` // of Duplicate: those without a customer
	Excluded           map[string]int `json:"excluded"`            // by the mapping's reason
	Rejected           int            `json:"rejected"`            // see the reject file
	Purchases          int            `json:"purchases"`           // events
	Returns            int            `json:"returns"`             // events
	ReturnLines        int            `json:"return_lines"`
	Customers          int            `json:"customers"`
	ReturnCustomers    int            `json:"return_customers"`
	ReturnDays         int            `json:"return_days"` // customer and calendar day with a return
}

// Reject is a row that could not be used, and why.
type Reject struct {
	Row    int // the header is row 1
	Reason string
	Detail string
	Fields []string
}

// groupReach is how many rows apart two rows of one event may lie.
const groupReach = 50_000

// maxCell bounds one cell; longer ones are rejected.
const maxCell = 4 << 10 // 4 KiB

// Reader reads one table.
type Reader struct {
	mapping  *Mapping
	location *time.Location
	csv      *csv.Reader
	width    int // columns of the table
	col      map[string]int
	ret      *matcher
	exclude  []*matcher
	onReject func(Reject) error

	row    int
	counts Counts
	seen   map[[16]byte]struct{} // rows
	closed map[[16]byte]struct{} // groups already emitted
	open   map[string]*group
	queue  []*group // open groups by first row

	customers, returners, returnDays map[[16]byte]struct{}
}

type group struct {
	key     string
	event   profile.Event
	lastRow int
}

// NewReader prepares to read a table with a header line. onReject may be nil.
func NewReader(m *Mapping, table io.Reader, onReject func(Reject) error) (*Reader, error) {
	loc, err := time.LoadLocation(m.Timezone)
	if err != nil {
		return nil, err
	}
	r := &Reader{
		mapping: m, location: loc, onReject: onReject, row: 1,
		csv:       csv.NewReader(table),
		seen:      map[[16]byte]struct{}{},
		closed:    map[[16]byte]struct{}{},
		open:      map[string]*group{},
		customers: map[[16]byte]struct{}{}, returners: map[[16]byte]struct{}{}, returnDays: map[[16]byte]struct{}{},
	}
	r.counts.Excluded = map[string]int{}
	r.csv.FieldsPerRecord = -1
	r.csv.ReuseRecord = true
	if m.Delimiter != "" {
		r.csv.Comma, _ = utf8.DecodeRuneInString(m.Delimiter)
	}
	if err := r.header(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Reader) header() error {
	names, err := r.csv.Read()
	if err != nil {
		return fmt.Errorf("header line: %w", err)
	}
	r.width = len(names)
	r.col = make(map[string]int, len(names))
	twice := map[string]bool{}
	for i, n := range names {
		n = strings.TrimPrefix(strings.Clone(n), "\ufeff")
		_, twice[n] = r.col[n]
		r.col[n] = i
	}
	column := func(name string) (int, error) {
		i, ok := r.col[name]
		if twice[name] {
			return 0, fmt.Errorf("the table has column %q twice", name)
		}
		if !ok {
			return 0, fmt.Errorf("the table has no column %q; it has %s", name, strings.Join(slices.Sorted(maps.Keys(r.col)), ", "))
		}
		return i, nil
	}
	m := r.mapping
	c := m.Columns
	var errs []error
	for _, name := range []string{m.Group, m.Customer.Column, c.Time, c.SKU, c.Style, c.Size, c.Category, c.Quantity,
		c.UnitPrice, c.Paid, c.Discount, c.Currency, c.Channel, c.Store, c.Order, c.Reason} {
		if name != "" {
			_, err := column(name)
			errs = append(errs, err)
		}
	}
	if m.Return != nil {
		r.ret, err = m.Return.compile("return", column)
		errs = append(errs, err)
	}
	for i := range m.Exclude {
		x, err := m.Exclude[i].compile("exclude", column)
		errs = append(errs, err)
		r.exclude = append(r.exclude, x)
	}
	return errors.Join(errs...)
}

// Read reads the whole table and calls emit for every event, in the order of
// their last rows. The event is emit's to keep.
func (r *Reader) Read(ctx context.Context, emit func(*profile.Event) error) (Counts, error) {
	for {
		row, err := r.csv.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		r.row++
		r.counts.Rows++
		if err != nil {
			if err := r.malformed(err); err != nil {
				return r.counts, err
			}
			continue
		}
		if err := r.take(row); err != nil {
			return r.counts, err
		}
		if r.row%1024 == 0 {
			if err := r.emitOlder(ctx, r.row-groupReach, emit); err != nil {
				return r.counts, err
			}
		}
	}
	if err := r.emitOlder(ctx, r.row+1, emit); err != nil {
		return r.counts, err
	}
	return r.counts, nil
}

func (r *Reader) malformed(err error) error {
	var p *csv.ParseError
	if !errors.As(err, &p) {
		return fmt.Errorf("row %d: %w", r.row, err)
	}
	return r.reject(nil, "MALFORMED", fmt.Sprintf("line %d, column %d: %v", p.Line, p.Column, p.Err))
}

// Counts is what has been counted so far.
func (r *Reader) Counts() Counts { return r.counts }

// take puts one row where it belongs.
func (r *Reader) take(row []string) error {
	if len(row) != r.width {
		return r.reject(row, "MALFORMED", fmt.Sprintf("%d fields, the header has %d", len(row), r.width))
	}
	anonymous := strings.TrimSpace(r.cell(row, r.mapping.Customer.Column)) == ""
	if !insert(r.seen, row...) {
		r.counts.Duplicate++
		if anonymous {
			r.counts.AnonymousDuplicate++
		}
		return nil
	}
	if anonymous {
		r.counts.Anonymous++
		return nil
	}
	for _, x := range r.exclude {
		if x.matches(row) {
			r.counts.Excluded[x.reason]++
			return nil
		}
	}
	for _, c := range row {
		switch {
		case len(c) > maxCell:
			return r.reject(row, "TOO_LONG", fmt.Sprintf("a cell of %d bytes; %d are allowed", len(c), maxCell))
		case !utf8.ValidString(c):
			return r.reject(row, "INVALID_UTF8", fmt.Sprintf("cell %q is not UTF-8; convert the file first", c))
		}
	}
	return r.add(row)
}

// insert adds the tuple to the set and says whether it was new.
func insert(set map[[16]byte]struct{}, fields ...string) bool {
	h := sha256.New()
	for _, f := range fields {
		io.WriteString(h, strconv.Itoa(len(f))) //nolint:errcheck // a hash never fails
		io.WriteString(h, ":")                  //nolint:errcheck // a hash never fails
		io.WriteString(h, f)                    //nolint:errcheck // a hash never fails
	}
	k := [16]byte(h.Sum(nil))
	if _, ok := set[k]; ok {
		return false
	}
	set[k] = struct{}{}
	return true
}

func (r *Reader) cell(row []string, column string) string {
	if column == "" {
		return ""
	}
	return row[r.col[column]]
}

// rowError is a problem of one row, with the reason it is rejected for.
type rowError struct{ reason, detail string }

func (e *rowError) Error() string { return e.reason + ": " + e.detail }

func (r *Reader) add(row []string) error {
	isReturn := r.ret != nil && r.ret.matches(row)
	e, line, err := r.parse(row, isReturn)
	if err == nil {
		err = r.join(e, line)
	}
	if bad, ok := errors.AsType[*rowError](err); ok {
		return r.reject(row, bad.reason, bad.detail)
	}
	return err
}

// join adds the line to its event.
func (r *Reader) join(e *profile.Event, line profile.Line) error {
	g := r.open[e.ID]
	if g == nil {
		if _, ok := r.closed[hash16(e.ID)]; ok {
			return &rowError{"GROUP_TOO_FAR", fmt.Sprintf("more than %d rows after the other rows of %s; sort the table by it", groupReach, e.ID)}
		}
		g = &group{key: e.ID, event: *e}
		r.open[e.ID] = g
		r.queue = append(r.queue, g)
	}
	if g.event.Customer != e.Customer || g.event.Currency != e.Currency || g.event.Store != e.Store {
		return &rowError{"GROUP_CONFLICT", "customer, currency or store differs from the first row of " + e.ID}
	}
	if e.Time.Before(g.event.Time) {
		g.event.Time = e.Time
	}
	if e.Kind == profile.KindReturn {
		g.event.Refund += line.Paid
	}
	g.event.Lines = append(g.event.Lines, line)
	g.lastRow = r.row
	r.counts.Lines++
	return nil
}

func hash16(s string) [16]byte {
	sum := sha256.Sum256([]byte(s))
	return [16]byte(sum[:16])
}

// parse reads the cells of one row.
func (r *Reader) parse(row []string, isReturn bool) (*profile.Event, profile.Line, error) {
	m := r.mapping
	var line profile.Line
	t, err := r.time(r.cell(row, m.Columns.Time))
	if err != nil {
		return nil, line, err
	}
	channel, ok := channels[cmp.Or(r.cell(row, m.Columns.Channel), m.Channel)]
	if !ok {
		return nil, line, &rowError{"BAD_CHANNEL", fmt.Sprintf("%q is none of %s", r.cell(row, m.Columns.Channel), channelNames)}
	}
	group := strings.Clone(r.cell(row, m.Group))
	if group == "" {
		return nil, line, &rowError{"NO_GROUP", "column " + m.Group + " is empty"}
	}
	e := &profile.Event{
		ID: m.EventID + group, Kind: profile.KindPurchase, OrderID: group,
		Customer: profile.Identity{Namespace: m.Customer.Namespace, Value: strings.Clone(strings.TrimSpace(r.cell(row, m.Customer.Column)))},
		Time:     t, Channel: channel,
		Store:    strings.Clone(cmp.Or(r.cell(row, m.Columns.Store), m.Store)),
		Currency: strings.Clone(cmp.Or(r.cell(row, m.Columns.Currency), m.Currency)),
	}
	if isReturn {
		e.Kind, e.ReturnID, e.OrderID = profile.KindReturn, group, strings.Clone(r.cell(row, m.Columns.Order))
	}
	line, err = r.line(row, e.Currency, isReturn)
	return e, line, err
}

func (r *Reader) time(cell string) (time.Time, error) {
	t, err := time.ParseInLocation(cmp.Or(r.mapping.TimeLayout, time.RFC3339), cell, r.location)
	if err != nil {
		return t, &rowError{"BAD_TIME", fmt.Sprintf("%q is not of the form %q", cell, cmp.Or(r.mapping.TimeLayout, time.RFC3339))}
	}
	return t, nil
}

func (r *Reader) line(row []string, code string, isReturn bool) (profile.Line, error) {
	c := r.mapping.Columns
	l := profile.Line{
		SKU: strings.Clone(r.cell(row, c.SKU)), Style: strings.Clone(r.cell(row, c.Style)), Size: strings.Clone(r.cell(row, c.Size)),
		Category: strings.Clone(r.cell(row, c.Category)), Reason: strings.Clone(r.cell(row, c.Reason)),
	}
	exponent, ok := currency.Exponent(code)
	if !ok {
		return l, &rowError{"UNKNOWN_CURRENCY", fmt.Sprintf("%q is not an ISO 4217 code", code)}
	}
	q, err := strconv.ParseInt(r.cell(row, c.Quantity), 10, 32)
	if err != nil {
		return l, &rowError{"BAD_QUANTITY", fmt.Sprintf("%q is not a whole number", r.cell(row, c.Quantity))}
	}
	if isReturn && q < 0 {
		q = -q
	}
	if q <= 0 {
		return l, &rowError{"BAD_QUANTITY", fmt.Sprintf("%d where only a positive quantity belongs", q)}
	}
	l.Quantity = q
	if c.Paid != "" {
		l.Paid, err = minor(r.cell(row, c.Paid), 1, exponent)
	} else {
		l.Paid, err = minor(r.cell(row, c.UnitPrice), q, exponent)
	}
	if err == nil && c.Discount != "" {
		l.Discount, err = minor(r.cell(row, c.Discount), 1, exponent)
	}
	return l, err
}

var decimal = regexp.MustCompile(`^-?[0-9]{1,12}(\.[0-9]{1,9})?$`)

// minor multiplies a decimal amount in major units and rounds half up to minor units.
func minor(cell string, times int64, exponent int) (int64, error) {
	if !decimal.MatchString(cell) {
		return 0, &rowError{"BAD_AMOUNT", fmt.Sprintf("%q is not a decimal amount", cell)}
	}
	v, _ := new(big.Rat).SetString(cell)
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exponent)), nil)
	v.Mul(v, new(big.Rat).SetInt(scale.Mul(scale, big.NewInt(times))))
	if v.Sign() < 0 {
		return 0, &rowError{"BAD_AMOUNT", fmt.Sprintf("%q is negative", cell)}
	}
	v.Add(v, big.NewRat(1, 2))
	n := new(big.Int).Quo(v.Num(), v.Denom())
	if !n.IsInt64() {
		return 0, &rowError{"BAD_AMOUNT", fmt.Sprintf("%q is too large", cell)}
	}
	return n.Int64(), nil
}

// emitOlder closes the open events whose last row is before the given one.
func (r *Reader) emitOlder(ctx context.Context, before int, emit func(*profile.Event) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var ready []*group
	r.queue = slices.DeleteFunc(r.queue, func(g *group) bool {
		if g.lastRow < before {
			ready = append(ready, g)
		}
		return g.lastRow < before
	})
	slices.SortFunc(ready, func(a, b *group) int { return cmp.Compare(a.lastRow, b.lastRow) })
	for _, g := range ready {
		delete(r.open, g.key)
		r.closed[hash16(g.key)] = struct{}{}
		r.countEvent(&g.event)
		if err := emit(&g.event); err != nil {
			return fmt.Errorf("event %s: %w", g.key, err)
		}
	}
	return nil
}

func (r *Reader) countEvent(e *profile.Event) {
	c := &r.counts
	if insert(r.customers, e.Customer.Value) {
		c.Customers++
	}
	if e.Kind != profile.KindReturn {
		c.Purchases++
		return
	}
	c.Returns++
	c.ReturnLines += len(e.Lines)
	if insert(r.returners, e.Customer.Value) {
		c.ReturnCustomers++
	}
	if insert(r.returnDays, e.Customer.Value, e.Time.In(r.location).Format(time.DateOnly)) {
		c.ReturnDays++
	}
}

func (r *Reader) reject(row []string, reason, detail string) error {
	r.counts.Rejected++
	if r.onReject == nil {
		return nil
	}
	return r.onReject(Reject{Row: r.row, Reason: reason, Detail: detail, Fields: slices.Clone(row)})
}

// Fingerprint identifies mapping and table, so that an interrupted run is
// resumed only on the same input.
func Fingerprint(mapping []byte, table string, size int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s%d:%s%d", len(mapping), mapping, len(table), table, size))
	return hex.EncodeToString(sum[:8])
}
