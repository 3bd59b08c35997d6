package store

import "iter"

// Terms collects what entries are looked up by, in memory that is used again.
// The zero value is empty and ready.
type Terms struct {
	b    []byte
	ends []int
}

// Add adds a term: a byte that tells kinds of terms apart, and its value.
func (t *Terms) Add(kind byte, value string) {
	t.b = append(append(t.b, kind), value...)
	t.ends = append(t.ends, len(t.b))
}

// Reset takes all terms out.
func (t *Terms) Reset() { t.b, t.ends = t.b[:0], t.ends[:0] }

// All are the terms a store takes, those of at most MaxTerm bytes; each is valid until Reset.
func (t *Terms) All() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		from := 0
		for _, end := range t.ends {
			term := t.b[from:end:end]
			if from = end; len(term) <= MaxTerm && !yield(term) {
				return
			}
		}
	}
}

// Of are the terms of an entry.
func (x Index) Of(e *Entry) iter.Seq[[]byte] {
	var t Terms
	x(e, &t)
	return t.All()
}
