package engine

import (
	"container/heap"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/rebound-engine/rebound/store"
)

// Ledger holds the money: what every budget has reserved and settled, which
// tokens are open, and what caps per associate and household count. It is
// integer minor units throughout, lives in memory under one lock, changes only
// together with appends, and is rebuilt from a snapshot and the log
// (store.Machine, docs/formats/ledger.md).
type Ledger struct {
	newest   atomic.Int64 // business time of the newest event or decision, Unix ms
	mu       sync.Mutex
	at       store.Position // last entry that changed the ledger
	clock    int64          // business time up to which expired tokens are released, Unix ms
	accounts map[accountKey]*account
	latest   map[string]int64 // start of each budget's newest period
	open     map[string]*reservation
	expiring expiryQueue
	units    map[unitKey]*unit
	order    []*unit // all units, in the order of their first mark
	copying  uint64  // number of the snapshot under way; 0: none

	snapshots sync.Mutex // one snapshot at a time
	taken     uint64     // snapshots so far; guarded by snapshots
}

// NewLedger returns an empty ledger, to be handed to the store as its Machine.
func NewLedger() *Ledger {
	l := &Ledger{}
	l.clear()
	return l
}

func (l *Ledger) clear() {
	l.at, l.clock = 0, 0
	l.newest.Store(0)
	l.accounts = map[accountKey]*account{}
	l.latest = map[string]int64{}
	l.open = map[string]*reservation{}
	l.expiring = nil
	l.units = map[unitKey]*unit{}
	l.order = nil
}

// happened moves the newest business time to that of an entry.
func (l *Ledger) happened(ms int64) {
	for {
		old := l.newest.Load()
		if ms <= old || l.newest.CompareAndSwap(old, ms) {
			return
		}
	}
}

// accountKey is a budget in one period.
type accountKey struct {
	budget string
	start  int64 // Unix ms
}

// account is one budget in one period. Every amount reserved is, in the end,
// returned: issued == reserved + returned, always. Settled amounts are posted apart.
type account struct {
	accountKey
	end      int64
	limit    int64 // as of the last reservation
	issued   int64 // reserved, ever
	reserved int64 // ceilings of open tokens
	returned int64 // no longer reserved: settled, expired, released or superseded
	expected int64 // expected cost of open tokens
	variance int64 // of their cost, minor units squared, saturating
	settled  int64
	redeemed int64 // number of settlements
	carried  int64 // shadow price the period began with, 1e-6
	debited  int64 // slices debited in the log (bounded mode)

	// Not part of a snapshot: what is in doubt follows from what a start finds.
	doubt      int64   // debited before a crash and not accounted for; counts as spent
	doubtSince int64   // business time of that start
	pending    []slice // debits not on disk yet
}

// reservation is one open token, or the trace of one in the caps.
type reservation struct {
	id        string
	offer     string
	ceiling   int64
	expected  int64
	issued    int64 // Unix ms
	expires   int64
	ghost     bool // held out: counts in shadow caps, reserves nothing
	associate string
	household string
	charges   []chargeRef
	place     int // in the expiry queue
}

// chargeRef is a budget and period a reservation is charged to.
type chargeRef struct {
	budget     string
	start, end int64
	limit      int64
}

// unit kinds of caps that are counted in the ledger.
const (
	unitAssociate = 'a'
	unitHousehold = 'h'
)

type unitKey struct {
	kind byte
	id   string
}

// mark is one offer as caps per unit count it.
type mark struct {
	decision  string
	at        int64 // when it was offered or shown
	expires   int64 // outstanding until then; 0: given up
	redeemed  int64 // 0: not redeemed
	presented bool
	ghost     bool
}

// lock takes the ledger's lock. It lets others run before it waits: most of them
// have work that needs no lock, while one who waits has to be woken again, and once
// somebody has waited for a millisecond, everybody takes the lock in turn.
func (l *Ledger) lock() {
	for range 20 {
		if l.mu.TryLock() {
			return
		}
		runtime.Gosched()
	}
	l.mu.Lock()
}

// advance releases what has expired up to now. Business time never runs backwards.
func (l *Ledger) advance(now int64) {
	l.clock = max(l.clock, now)
	for len(l.expiring) > 0 && l.expiring[0].expires <= l.clock {
		l.closeOpen(l.expiring[0])
	}
}

// reserve opens a reservation in every account it is charged to.
func (l *Ledger) reserve(r *reservation) {
	for _, c := range r.charges {
		a := l.account(c.budget, c.start, c.end)
		a.limit = c.limit
		a.issued += r.ceiling
		a.reserved += r.ceiling
		a.expected += r.expected
		a.variance = addSaturating(a.variance, spread2(r))
	}
	l.open[r.id] = r
	heap.Push(&l.expiring, r)
}

// spread2 is the variance of a token that costs its ceiling or nothing, with the
// expected cost as its mean: the widest a cost between the two can be.
func spread2(r *reservation) int64 {
	return mulSaturating(r.expected, max(r.ceiling-r.expected, 0))
}

// closeOpen takes a reservation out of every account.
func (l *Ledger) closeOpen(r *reservation) {
	for _, c := range r.charges {
		a := l.account(c.budget, c.start, c.end)
		a.reserved -= r.ceiling
		a.returned += r.ceiling
		a.expected -= r.expected
		a.variance -= min(a.variance, spread2(r))
	}
	delete(l.open, r.id)
	heap.Remove(&l.expiring, r.place)
}

// settle closes the token's reservation, if it is still open, and posts what
// the redemption cost to the periods of the Decide. It reports whether an
// account went above its limit by it.
func (l *Ledger) settle(s *settlement) (overrun bool) {
	if r := l.open[s.decision]; r != nil {
		l.closeOpen(r)
	}
	for _, c := range s.charges {
		a := l.account(c.budget, c.start, c.end)
		if a.limit == 0 {
			a.limit = c.limit
		}
		a.settled += s.amount
		a.redeemed++
		a.doubt -= min(a.doubt, s.lost)
		overrun = overrun || a.settled+a.reserved > a.limit
	}
	l.redeemMarks(s)
	return overrun && s.amount > 0
}

// settlement is a redemption as the ledger sees it.
type settlement struct {
	decision             string
	amount               int64
	at                   int64
	lost                 int64 // ceiling of a token whose decision was lost
	associate, household string
	charges              []chargeRef
}

// release gives a token up before its expiry: the customer declined, the goods
// came back, or a later phase superseded the decision.
func (l *Ledger) release(id, associate, household string) {
	if r := l.open[id]; r != nil {
		l.closeOpen(r)
	}
	l.eachMark(id, associate, household, func(m *mark) { m.expires = 0 })
}

// account returns the account of a budget's period, opening it with the
// shadow price its predecessor ended with.
func (l *Ledger) account(budget string, start, end int64) *account {
	key := accountKey{budget, start}
	if a := l.accounts[key]; a != nil {
		return a
	}
	a := &account{accountKey: key, end: end}
	if before, ok := l.latest[budget]; ok && before < start {
		a.carried = l.accounts[accountKey{budget, before}].lambda(end)
	}
	if before, ok := l.latest[budget]; !ok || before < start {
		l.latest[budget] = start
	}
	l.accounts[key] = a
	return a
}

// Check proves the books: every amount reserved is either open or returned,
// what accounts hold adds up over the open reservations, and no account with
// room for its reservations is overdrawn by them. It reports the first fault.
func (l *Ledger) Check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.check()
}

// sortedAccounts returns the accounts by budget and start.
func (l *Ledger) sortedAccounts() []*account {
	out := make([]*account, 0, len(l.accounts))
	for _, a := range l.accounts {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *account) int { return compareAccountKeys(a.accountKey, b.accountKey) })
	return out
}

// expiryQueue is a heap by expiry, then decision id.
type expiryQueue []*reservation

func (q expiryQueue) Len() int { return len(q) }
func (q expiryQueue) Less(i, j int) bool {
	if q[i].expires != q[j].expires {
		return q[i].expires < q[j].expires
	}
	return q[i].id < q[j].id
}
func (q expiryQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push implements heap.Interface.
func (q *expiryQueue) Push(x any) {
	r := x.(*reservation)
	r.place = len(*q)
	*q = append(*q, r)
}

// Pop implements heap.Interface.
func (q *expiryQueue) Pop() any {
	old := *q
	r := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return r
}
