package memstore_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/memstore"
	"github.com/rebound-engine/rebound/store/storetest"
)

func TestContract(t *testing.T) {
	var mu sync.Mutex
	images := make(map[string]*memstore.Image)
	storetest.Run(t, func(_ testing.TB, name string, c storetest.Config) (store.Store, error) {
		mu.Lock()
		defer mu.Unlock()
		if images[name] == nil {
			images[name] = new(memstore.Image)
		}
		s, err := memstore.Open(memstore.Options{Fold: c.Fold, Machine: c.Machine, Index: c.Index, Image: images[name]})
		if err != nil {
			return nil, err
		}
		return s, nil
	})
}

func Example() {
	greet := func(r store.Reader, e *store.Entry, w store.Writer) error {
		key := store.Key('g', e.Subject)
		old, _, err := r.Get(key)
		if err != nil {
			return err
		}
		w.Put(key, fmt.Appendf(nil, "%s%s.", old, e.Payload))
		return nil
	}
	s, err := memstore.Open(memstore.Options{Fold: greet})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()

	anna := store.Subject{1}
	err = s.Update(context.Background(), anna, func(tx store.Tx) error {
		if _, err := tx.Append(store.Header{Kind: 1, Subject: anna}, []byte("hello")); err != nil {
			return err
		}
		_, err := tx.Append(store.Header{Kind: 1, Subject: anna}, []byte("good bye"))
		return err
	})
	value, at, _ := s.Get(store.Key('g', anna))
	fmt.Println(string(value), at, err)
	// Output: hello.good bye. 2 <nil>
}
