package rules

import (
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"
)

// exprWriter writes random expressions of the language.
type exprWriter struct {
	rng *rand.Rand
	env *Env
}

func (w *exprWriter) pick(options ...string) string { return options[w.rng.IntN(len(options))] }

// variable returns the name of a variable of a kind.
func (w *exprWriter) variable(k kind) string {
	for {
		v := w.env.vars[w.rng.IntN(len(w.env.vars))]
		if kindOf(v.Type) == k {
			return v.Name
		}
	}
}

func (w *exprWriter) number(depth int) string {
	if depth <= 0 {
		if w.rng.IntN(2) == 0 {
			return w.variable(kindNumber)
		}
		return w.pick("0", "1", "2.5", "-3", "0.1", "100", "1e3")
	}
	a, b := w.number(depth-1), w.number(depth-1)
	switch w.rng.IntN(9) {
	case 0:
		return "-" + "(" + a + ")"
	case 1:
		return w.pick("min", "max") + "(" + a + ", " + b + ")"
	case 2:
		return w.pick("abs", "floor", "ceil", "round") + "(" + a + ")"
	case 3:
		return "(" + w.condition(depth-1) + " ? " + a + " : " + b + ")"
	case 4:
		return "len(" + w.pick(w.list(), w.text(depth-1)) + ")"
	}
	return "(" + a + w.pick(" + ", " - ", " * ", " / ") + b + ")"
}

func (w *exprWriter) text(depth int) string {
	if depth > 0 && w.rng.IntN(4) == 0 {
		return "(" + w.condition(depth-1) + " ? " + w.text(depth-1) + " : " + w.text(depth-1) + ")"
	}
	if w.rng.IntN(2) == 0 {
		return w.variable(kindString)
	}
	return w.pick(`"SIZE"`, `"S"`, `""`, `"shoes"`, `"é"`)
}

func (w *exprWriter) list() string { return w.variable(kindStrings) }

func (w *exprWriter) condition(depth int) string {
	if depth <= 0 {
		return w.pick(w.variable(kindBool), "true", "false", w.number(0)+" < "+w.number(0))
	}
	switch w.rng.IntN(10) {
	case 0:
		return "not (" + w.condition(depth-1) + ")"
	case 1, 2:
		return "(" + w.condition(depth-1) + w.pick(" and ", " or ", " && ", " || ") + w.condition(depth-1) + ")"
	case 3:
		return w.text(depth-1) + w.pick(" == ", " != ", " contains ", " startsWith ", " endsWith ", " not startsWith ") + w.text(depth-1)
	case 4:
		return w.text(0) + w.pick(" in ", " not in ") + w.pick(w.list(), `["SIZE", "A", "shoes"]`, `["a","b","c","d","e","f","g","h","SIZE"]`)
	case 5:
		return w.number(depth-1) + w.pick(" in ", " not in ") + "[1, 2.5, -3, 100]"
	case 6:
		return w.pick("any", "all", "none") + "(" + w.list() + ", # " + w.pick("== ", "contains ", "!= ") + w.text(0) + ")"
	case 7:
		return "(" + w.condition(depth-1) + ") == (" + w.condition(depth-1) + ")"
	}
	return w.number(depth-1) + w.pick(" < ", " <= ", " > ", " >= ", " == ", " != ") + w.number(depth-1)
}

// values fills a frame and the nested map that expr's machine reads.
func (w *exprWriter) values(f *Frame) map[string]any {
	root := map[string]any{}
	for i, v := range w.env.vars {
		group, name, _ := strings.Cut(v.Name, ".")
		inner, ok := root[group].(map[string]any)
		if !ok {
			inner = map[string]any{}
			root[group] = inner
		}
		s := Slot(i)
		switch kindOf(v.Type) {
		case kindBool:
			b := w.rng.IntN(2) == 0
			f.SetBool(s, b)
			inner[name] = b
		case kindString:
			x := []string{"SIZE", "S", "", "shoes", "é"}[w.rng.IntN(5)]
			f.SetString(s, x)
			inner[name] = x
		case kindStrings:
			x := make([]string, w.rng.IntN(4))
			for j := range x {
				x[j] = []string{"SIZE", "shoes", "A", ""}[w.rng.IntN(4)]
			}
			f.SetStrings(s, x)
			inner[name] = x
		default:
			x := []float64{0, 1, -1, 2.5, 0.1, 100, 1e300, w.rng.NormFloat64() * 50}[w.rng.IntN(8)]
			f.SetNumber(s, x)
			inner[name] = x
		}
	}
	return root
}

// floats makes literals and len floats for expr's machine too: a policy has one
// kind of number, and expr's checker takes min(int, float) for an int.
type floats struct{}

func (floats) Visit(n *ast.Node) {
	switch x := (*n).(type) {
	case *ast.IntegerNode:
		ast.Patch(n, &ast.FloatNode{Value: float64(x.Value)})
	case *ast.BuiltinNode:
		if x.Name == "len" {
			ast.Patch(n, &ast.BuiltinNode{Name: "float", Arguments: []ast.Node{x}})
		}
	}
}

func machine(t testing.TB, env *Env, text string) *vm.Program {
	t.Helper()
	p, err := expr.Compile(text, expr.Env(exprTypes(env)), expr.Patch(floats{}))
	if err != nil {
		t.Fatalf("expr refuses what is ours: %s: %v", text, err)
	}
	return p
}

// compareWithMachine evaluates by closures, by tracing and by expr's machine.
func compareWithMachine(t testing.TB, p *Program, m *vm.Program, f *Frame, root map[string]any) {
	t.Helper()
	var got any
	var err error
	if p.root.kind == kindBool {
		got, err = p.Bool(f)
	} else {
		got, err = p.Number(f)
	}
	tr := tracer{frame: f, visit: func(*tree, value, int) {}}
	traced := tr.eval(p.root, 0)
	if failed, ok := errors.AsType[*EvalError](err); ok {
		if traced.fault != failed.Kind && finiteness(traced.number) != failed.Kind {
			t.Fatalf("%s: closures fail with %s, tracing gives %v", p.text, failed.Kind, traced)
		}
		return // expr's machine goes on with NaN and infinities, which no policy may
	}
	want, merr := vm.Run(m, root)
	if n, ok := want.(int); ok {
		want = float64(n)
	}
	if merr != nil || got != want {
		t.Fatalf("%s on %v: closures %v, expr %v (%v)", p.text, root, got, want, merr)
	}
	if traced.fault != "" || traced.kind == kindBool && traced.truth() != got || traced.kind == kindNumber && traced.number != got {
		t.Fatalf("%s: closures %v, tracing %v", p.text, got, traced)
	}
}

// unitless makes every number fit every other.
func unitless(e *Env) *Env {
	for i := range e.vars {
		if kindOf(e.vars[i].Type) == kindNumber {
			e.vars[i].Type, e.vars[i].Unit = Number, ""
		}
	}
	return e
}

// differential compares random expressions on random inputs.
func differential(t testing.TB, seed uint64, expressions, inputs int) {
	t.Helper()
	env := unitless(testEnv())
	lang := newLanguage(env)
	compared := 0
	defer func() {
		if compared < expressions*inputs/2 {
			t.Errorf("only %d pairs compared", compared)
		}
	}()
	w := &exprWriter{rng: rand.New(rand.NewPCG(seed, 1)), env: env}
	f := env.NewFrame()
	for range expressions {
		k, write := kindBool, w.condition
		if w.rng.IntN(3) == 0 {
			k, write = kindNumber, w.number
		}
		text := write(w.rng.IntN(4))
		root, _ := lang.analyse(text, anyRole(k))
		if root == nil {
			continue // a literal division by zero
		}
		p, m := newProgram(text, Source{}, anyRole(k), env, root), machine(t, env, text)
		for range inputs {
			compareWithMachine(t, p, m, f, w.values(f))
			compared++
		}
	}
}

// TestDifferential runs 10^5 pairs, or as many as REBOUND_PAIRS asks for.
func TestDifferential(t *testing.T) {
	pairs := 100_000
	if n, err := strconv.Atoi(os.Getenv("REBOUND_PAIRS")); err == nil {
		pairs = n
	}
	differential(t, 7, pairs/20, 20)
}

func FuzzDifferential(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { differential(t, seed, 5, 5) })
}

// FuzzExpression: no text crashes or hangs the checker or what it admits.
func FuzzExpression(f *testing.F) {
	for _, text := range []string{"ret.value >= 15", `any(store.stock, # == "a")`, "1 < ret.value < 5", "not !true", "((", `"\u{41}"`, "a ?? b", "x?.y[1:2]"} {
		f.Add(text)
	}
	env := testEnv()
	lang := newLanguage(env)
	frame := env.NewFrame()
	f.Fuzz(func(t *testing.T, text string) {
		for _, k := range []kind{kindBool, kindNumber, kindStrings} {
			root, problems := lang.analyse(text, anyRole(k))
			for _, p := range problems {
				if p.from < 0 || p.to > len(text) || p.from > p.to {
					t.Fatalf("%q: problem at [%d, %d)", text, p.from, p.to)
				}
			}
			if root != nil {
				p := newProgram(text, Source{}, anyRole(k), env, root)
				_, _ = p.Bool(frame)
				p.Trace(frame)
			}
		}
	})
}

// FuzzLoad: no company file crashes or hangs the loader, and every diagnostic has a place.
func FuzzLoad(f *testing.F) {
	data, err := os.ReadFile("testdata/base.txt")
	if err != nil {
		f.Fatal(err)
	}
	_, company, _ := strings.Cut(string(data), "-- company.yaml --\n")
	company, _, _ = strings.Cut(company, "-- reference/")
	f.Add(company)
	f.Add("spec: [1, {a: b}]")
	f.Add("a: &x [*x]")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := Load(fstest.MapFS{"company.yaml": {Data: []byte(text)}}, Schema{})
		if bad, ok := errors.AsType[*DiagnosticsError](err); ok {
			for _, d := range bad.Diagnostics {
				_ = d.Format()
				if d.Code == "" || d.Line < 0 || d.Column < 0 {
					t.Fatalf("%+v", d)
				}
			}
		}
	})
}

// TestScalarPositions: every byte of a scalar's value maps to where it was written.
func TestScalarPositions(t *testing.T) {
	for name, text := range map[string]string{
		"plain":            "k: alpha beta\n",
		"plain folded":     "k: alpha\n   beta\n   gamma\n",
		"double quoted":    "k: \"al\\\"pha \\\\ beta\"\n",
		"single quoted":    "k: 'al''pha beta'\n",
		"literal":          "k: |\n  alpha\n    beta\n  gamma\n",
		"literal stripped": "k: |-\n  alpha\n\n  gamma\n",
		"folded":           "k: >\n  alpha\n  beta\n",
		"crlf":             "k: |\r\n  alpha\r\n  beta\r\n",
		"multi-byte":       "ключ: \"é alpha\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := &report{}
			f := newSource("x.yaml", []byte(text))
			root, ok := r.parseYAML(f)
			if !ok {
				t.Fatal(r.list)
			}
			v := root.child(1)
			offsets := v.scalarOffsets()
			if len(offsets) != len(v.Value)+1 {
				t.Fatalf("value %q: offsets %v", v.Value, offsets)
			}
			for i := range len(v.Value) {
				if c := v.Value[i]; c != ' ' && c != '\n' && text[offsets[i]] != c && text[offsets[i]] != '\\' {
					t.Errorf("byte %d %q maps to %q", i, c, text[offsets[i]:])
				}
			}
		})
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]string{"48h": "48h0m0s", "30d": "720h0m0s", "1d12h": "36h0m0s", "2w": "336h0m0s", "90m": "1h30m0s"} {
		if d, err := ParseDuration(text); err != nil || d.String() != want {
			t.Errorf("%s = %s, %v", text, d, err)
		}
	}
	for _, text := range []string{"", "5", "h", "-5h", "12h1d", "1h1h", "9999999999999d", "4000d", "1.5h", "5y"} {
		if d, err := ParseDuration(text); err == nil {
			t.Errorf("%q = %s", text, d)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"customer.abuse_score", "ret.refund_value", "max_percent_off"}
	for name, want := range map[string]string{"customer.abuse_scor": known[0], "max_percent_of": known[2], "zzz": "", strings.Repeat("x", 99): ""} {
		if got := nearest(name, known); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if d := editDistance("abcd", "acbd"); d != 1 {
		t.Errorf("a swap costs %d", d)
	}
}
