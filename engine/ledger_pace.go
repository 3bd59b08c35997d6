package engine

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// Pacing. Shadow prices are integers of a millionth, so that the ledger holds no float.
const (
	lambdaUnit = 1_000_000       // 1.0: a unit of value for a unit of money
	lambdaGain = 20              // a budget spent 5 % of its limit ahead of plan costs 1.0 more
	lambdaMax  = 10 * lambdaUnit // at most
	evenLead   = 10              // even pacing may run a tenth of the period ahead
)

// budgetRoom is a budget in the period of a decision, as one decision sees it.
type budgetRoom struct {
	id         string
	scope      string
	start, end int64
	limit      int64
	buffer     int64
	hard       bool
	pacing     string
	lambda     int64 // 1e-6
	reserved   int64
	expected   int64
	settled    int64
	doubt      int64
	allowed    int64 // limit less buffer, as far as pacing lets it go now
	granted    int64 // of slices on disk
	want       int64 // what a slice is asked for
}

// take is what one offer needs of the budget.
func (b *budgetRoom) take(ceiling, expected int64) int64 {
	if b.hard {
		return ceiling
	}
	return expected
}

// used is what the budget has given away already.
func (b *budgetRoom) used() int64 {
	if b.hard {
		return b.reserved + b.settled + b.doubt
	}
	return b.expected + b.settled + b.doubt
}

// available is what one more offer may take.
func (b *budgetRoom) available() int64 { return max(b.allowed-b.used(), 0) }

// fits reports whether an offer fits. What costs nothing always does.
func (b *budgetRoom) fits(ceiling, expected int64) bool {
	need := b.take(ceiling, expected)
	return need <= 0 || need <= b.available()
}

// fill completes a budget's figures from its account. It changes nothing:
// a period nobody has reserved in yet has no account.
func (l *Ledger) fill(b *budgetRoom, now int64) {
	a := l.accounts[accountKey{b.id, b.start}]
	if a == nil {
		a = &account{accountKey: accountKey{b.id, b.start}, end: b.end}
		if before, ok := l.latest[b.id]; ok && before < b.start {
			a.carried = l.accounts[accountKey{b.id, before}].lambda(b.end)
		}
	}
	b.reserved, b.expected, b.settled, b.doubt = a.reserved, a.expected, a.settled, a.doubt
	b.lambda = 0
	if b.pacing == "dual" {
		b.lambda = a.priceAt(now, b.limit)
	}
	b.allowed = max(b.limit-b.buffer, 0)
	if b.pacing == "even" {
		b.allowed = min(b.allowed, evenShare(b.limit, b.start, b.end, now))
	}
}

// evenShare is what even pacing allows by now: the elapsed share of the limit,
// and a tenth of the period ahead, so that a period does not begin with nothing.
func evenShare(limit, start, end, now int64) int64 {
	period := end - start
	elapsed := min(max(now-start, 0)+period/evenLead, period)
	return mulDiv(limit, elapsed, period)
}

// priceAt is the dual controller: dual averaging on expected cost. The price is
// what the period began with, plus a gain times how far spending (settled, and
// expected of open tokens) runs ahead of an even plan, as a share of the limit
// (Xiao 2010, "Dual averaging methods", with the plan as the budget's rate; the
// step is constant, for the period is finite).
func (a *account) priceAt(now, limit int64) int64 {
	if limit <= 0 {
		return lambdaMax
	}
	plan := mulDiv(limit, min(max(now-a.start, 0), a.end-a.start), a.end-a.start)
	ahead := a.settled + a.expected - plan
	step := mulDiv(min(max(ahead, -limit), limit), lambdaGain*lambdaUnit, limit)
	return min(max(a.carried+step, 0), lambdaMax)
}

// lambda is the price at the end of a period, which the next begins with.
func (a *account) lambda(at int64) int64 { return a.priceAt(min(at, a.end), a.limit) }

// mulDiv is a*b/c rounded towards zero, without overflow of the product. b >= 0, c > 0.
func mulDiv(a, b, c int64) int64 {
	if a < 0 {
		return -mulDiv(-a, b, c)
	}
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi >= uint64(c) {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, uint64(c))
	return int64(min(q, math.MaxInt64))
}

func mulSaturating(a, b int64) int64 { return mulDiv(a, b, 1) }

func addSaturating(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func compareAccountKeys(a, b accountKey) int {
	return cmp.Or(cmp.Compare(a.budget, b.budget), cmp.Compare(a.start, b.start))
}

// check is Check under the lock.
func (l *Ledger) check() error {
	type sum struct{ reserved, expected int64 }
	sums := map[accountKey]sum{}
	for _, r := range l.open {
		for _, c := range r.charges {
			k := accountKey{c.budget, c.start}
			sums[k] = sum{sums[k].reserved + r.ceiling, sums[k].expected + r.expected}
		}
	}
	for _, a := range l.sortedAccounts() {
		s := sums[a.accountKey]
		switch {
		case a.issued != a.reserved+a.returned:
			return fmt.Errorf("ledger: budget %s: issued %d is not reserved %d and returned %d", a.budget, a.issued, a.reserved, a.returned)
		case s.reserved != a.reserved || s.expected != a.expected:
			return fmt.Errorf("ledger: budget %s: reserved %d (expected %d), but open tokens add up to %d (%d)", a.budget, a.reserved, a.expected, s.reserved, s.expected)
		case a.settled < 0 || a.reserved < 0 || a.doubt < 0:
			return fmt.Errorf("ledger: budget %s: negative balance: settled %d, reserved %d, in doubt %d", a.budget, a.settled, a.reserved, a.doubt)
		}
		delete(sums, a.accountKey)
	}
	if len(sums) > 0 || len(l.open) != len(l.expiring) {
		return fmt.Errorf("ledger: %d open tokens are charged to %d unknown accounts, %d await expiry", len(l.open), len(sums), len(l.expiring))
	}
	return nil
}

// eachMark calls fn for the marks of a decision.
func (l *Ledger) eachMark(id, associate, household string, fn func(*mark)) {
	for _, k := range [...]unitKey{{unitAssociate, associate}, {unitHousehold, household}} {
		if k.id == "" {
			continue
		}
		u := l.units[k]
		if u == nil || !slices.ContainsFunc(u.marks, func(m mark) bool { return m.decision == id }) {
			continue
		}
		l.own(u)
		for i := range u.marks {
			if u.marks[i].decision == id {
				fn(&u.marks[i])
			}
		}
	}
}

// mark counts an offer for its associate and household, and has the reservation
// share their names, which live as long as the ledger.
func (l *Ledger) mark(r *reservation) {
	m := mark{decision: r.id, at: r.issued, expires: r.expires, presented: r.ghost, ghost: r.ghost}
	for _, k := range [...]struct {
		kind byte
		id   *string
	}{{unitAssociate, &r.associate}, {unitHousehold, &r.household}} {
		if *k.id == "" {
			continue
		}
		u := l.unit(unitKey{k.kind, *k.id})
		*k.id = u.key.id
		l.own(u)
		u.marks = append(pruneMarks(u.marks, r.issued), m)
	}
}

// pruneMarks drops what no window reaches any more, once the first mark is such.
func pruneMarks(marks []mark, now int64) []mark {
	if len(marks) == 0 || marks[0].at >= now-capHorizon.Milliseconds() {
		return marks
	}
	return slices.DeleteFunc(marks, func(m mark) bool { return m.at < now-capHorizon.Milliseconds() })
}

func (l *Ledger) redeemMarks(s *settlement) {
	l.eachMark(s.decision, s.associate, s.household, func(m *mark) { m.redeemed, m.presented = s.at, true })
}

// present notes that an offer was shown.
func (l *Ledger) present(id, associate, household string) {
	l.eachMark(id, associate, household, func(m *mark) { m.presented = true })
}

// without takes what a decision about to be superseded holds out of a budget's figures.
func (l *Ledger) without(b *budgetRoom, decision string) {
	if r := l.open[decision]; r != nil {
		r.leave(b)
	}
}

// expiredBy takes out what will have expired at now, for a look that releases nothing.
func (l *Ledger) expiredBy(b *budgetRoom, now int64) {
	for _, r := range l.expiring {
		if r.expires <= now {
			r.leave(b)
		}
	}
}

func (r *reservation) leave(b *budgetRoom) {
	if slices.ContainsFunc(r.charges, func(c chargeRef) bool { return c.budget == b.id && c.start == b.start }) {
		b.reserved -= r.ceiling
		b.expected -= r.expected
	}
}

// counting asks how many offers count against a cap.
type counting struct {
	redeemed  bool   // "redeemed" instead of "offered"
	ghost     bool   // for a held-out customer: ghosts count too
	except    string // a decision about to be superseded
	from, now int64  // window, Unix ms
}

// counted is how many marks of a unit count.
func (l *Ledger) counted(k unitKey, q counting) int {
	u, n := l.units[k], 0
	if u == nil {
		return 0
	}
	for i := range u.marks {
		if q.counts(&u.marks[i]) {
			n++
		}
	}
	return n
}

// counts is the one rule of all caps. "offered" counts what was shown of the
// decisions within the window and what is outstanding; "redeemed" what was
// redeemed within it. A ghost counts as shown, for that is what it stands in for.
func (q *counting) counts(m *mark) bool {
	switch {
	case m.ghost && !q.ghost, m.decision == q.except && q.except != "":
		return false
	case q.redeemed:
		return m.redeemed > q.from
	case m.presented || m.redeemed > 0:
		return m.at > q.from
	}
	return m.expires > q.now
}
