package engine

// memory is what a decision and its trace are written into.
type memory struct {
	decision   Decision
	candidates []Candidate
	outcomes   []OutcomeScore
	goals      []GoalValue
	charges    []Charge
	budgets    []BudgetUse
	terms      Terms
	params     []Param
	disclosed  []Disclosure
}

// blank returns an empty decision in memory that is used again after Release.
func (e *Engine) blank() *Decision {
	m, ok := e.memories.Get().(*memory)
	if !ok {
		m = new(memory)
	}
	m.decision = Decision{memory: m, pool: &e.memories}
	return &m.decision
}

// Release gives the decision's memory back for the next one. Who has the
// decision from Decide may call it once done with it, and must not look at it
// any more; nobody has to.
func (d *Decision) Release() {
	if m := d.memory; m != nil {
		d.memory = nil
		d.pool.Put(m)
	}
}

// keep takes the decision out of reuse: more than one look at it.
func (d *Decision) keep() { d.memory = nil }

// room returns a slice of n zero elements, in the memory of *s where it has any.
func room[T any](s *[]T, n int) []T {
	if cap(*s) < n {
		*s = make([]T, n)
	}
	*s = (*s)[:n]
	clear(*s)
	return *s
}
