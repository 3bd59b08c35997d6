package store_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/rebound-engine/rebound/store"
)

func ExampleKey() {
	anna := store.Subject{0xa, 0xb}
	key := store.Key('f', anna, 7)
	of, ok := store.SubjectOf(key)
	fmt.Printf("%x %v %v\n", key, of == anna, ok)
	// Output: 660a0b000000000000000000000000000007 true true
}

func TestMutationsCheck(t *testing.T) {
	mine, other := store.Subject{1}, store.Subject{2}
	cases := []struct {
		name  string
		write func(w store.Writer)
		ok    bool
		err   error
	}{
		{"own record", func(w store.Writer) { w.Put(store.Key('a', mine), []byte("v")) }, true, nil},
		{"own deletion", func(w store.Writer) { w.Delete(store.Key('a', mine, 1, 2)) }, true, nil},
		{"record of another", func(w store.Writer) { w.Put(store.Key('a', other), nil) }, false, nil},
		{"no key", func(w store.Writer) { w.Delete([]byte("a")) }, false, nil},
		{"long key", func(w store.Writer) { w.Put(store.Key('a', mine, make([]byte, store.MaxKey)...), nil) }, false, store.ErrTooLarge},
		{"long value", func(w store.Writer) { w.Put(store.Key('a', mine), make([]byte, store.MaxRecord+1)) }, false, store.ErrTooLarge},
	}
	for _, c := range cases {
		var m store.Mutations
		c.write(&m)
		if err := m.Check(mine); (err == nil) != c.ok || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
