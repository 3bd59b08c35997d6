package foreign

// arena is the memory of one run of a graph: all that operators make, until the
// next run begins. After a run or two of the same graph nothing is allocated.
type arena struct {
	numbers slab[float64]
	ints    slab[int]
	axes    slab[int64]
	texts   slab[string]
	flags   slab[bool]
	tensors slab[tensor]
	lists   slab[*tensor]
}

func (a *arena) reset() {
	a.numbers.reset()
	a.ints.reset()
	a.axes.reset()
	a.texts.reset()
	a.flags.reset()
	a.tensors.reset()
	a.lists.reset()
}

// slab hands out parts of one slice.
type slab[T any] struct {
	all  []T
	used int
}

// take is room for n zero values. What does not fit is allocated alone; the
// slab is large enough for it after the next reset.
func (s *slab[T]) take(n int) []T {
	from := s.used
	s.used += n
	if s.used > len(s.all) {
		return make([]T, n)
	}
	out := s.all[from:s.used:s.used]
	clear(out)
	return out
}

func (s *slab[T]) reset() {
	if s.used > len(s.all) {
		s.all = make([]T, s.used)
	}
	s.used = 0
}

// list holds what an operator gives.
func (a *arena) list(ts ...*tensor) []*tensor {
	out := a.lists.take(len(ts))
	copy(out, ts)
	return out
}

func (a *arena) shape(dims ...int) []int {
	out := a.ints.take(len(dims))
	copy(out, dims)
	return out
}

// header is a tensor without values.
func (a *arena) header(elem elemType, shape []int) *tensor {
	t := &a.tensors.take(1)[0]
	t.elem, t.shape = elem, shape
	return t
}

// newTensor makes room for numbers, or strings, of the shape.
func (a *arena) newTensor(elem elemType, shape ...int) (*tensor, error) {
	n, err := elements(shape)
	if err != nil {
		return nil, err
	}
	t := a.header(elem, a.shape(shape...))
	if elem == elemString {
		t.text = a.texts.take(n)
	} else {
		t.num = a.numbers.take(n)
	}
	return t, nil
}

// withShape is the same data under another shape, which the result keeps.
func (a *arena) withShape(t *tensor, shape []int) (*tensor, error) {
	if err := t.fits(shape); err != nil {
		return nil, err
	}
	out := a.header(t.elem, shape)
	out.num, out.text = t.num, t.text
	return out, nil
}

// broadcastShape is the common shape of x and y, NumPy style.
func (a *arena) broadcastShape(x, y []int) ([]int, error) {
	if len(x) < len(y) {
		x, y = y, x
	}
	out := a.shape(x...)
	tail := out[len(x)-len(y):]
	for i, d := range y {
		switch {
		case tail[i] == d || d == 1:
		case tail[i] == 1:
			tail[i] = d
		default:
			return nil, errBroadcast(x, y)
		}
	}
	return out, nil
}

// elementwise applies f to broadcast numbers; the result has type elem.
func (a *arena) elementwise(elem elemType, x, y *tensor, f func(x, y float64) float64) (*tensor, error) {
	if err := x.numericBoth(y); err != nil {
		return nil, err
	}
	shape, err := a.broadcastShape(x.shape, y.shape)
	if err != nil {
		return nil, err
	}
	t, err := a.newTensor(elem, shape...)
	if err != nil {
		return nil, err
	}
	if len(x.num) == len(t.num) && len(y.num) == len(t.num) {
		for i := range t.num {
			t.num[i] = elem.round(f(x.num[i], y.num[i]))
		}
		return t, nil
	}
	for i := range t.num {
		t.num[i] = elem.round(f(x.num[source(i, shape, x.shape)], y.num[source(i, shape, y.shape)]))
	}
	return t, nil
}

// each applies f to every number.
func (a *arena) each(t *tensor, f func(float64) float64) (*tensor, error) {
	if err := t.numeric(); err != nil {
		return nil, err
	}
	out, err := a.newTensor(t.elem, t.shape...)
	if err != nil {
		return nil, err
	}
	for i, v := range t.num {
		out.num[i] = t.elem.round(f(v))
	}
	return out, nil
}
