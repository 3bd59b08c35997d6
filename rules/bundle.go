package rules

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// Bundle is a compiled directory of policies. Immutable, safe for concurrent use.
type Bundle struct {
	digest     string
	name       string
	version    int
	effective  time.Time
	env        *Env
	lang       *language
	policies   map[string]*Policy
	scopes     []string
	facts      map[string][]Fact
	categories map[string]map[string]float64
	files      map[string][]byte
	warnings   []Diagnostic
}

// Digest returns the hex SHA-256 over the sorted paths and contents.
func (b *Bundle) Digest() string { return b.digest }

// Name returns the company's metadata.name.
func (b *Bundle) Name() string { return b.name }

// Version returns the company's metadata.version.
func (b *Bundle) Version() int { return b.version }

// EffectiveFrom returns the business time from which the bundle is in force; zero: always.
func (b *Bundle) EffectiveFrom() time.Time { return b.effective }

// Env returns the variables of the bundle.
func (b *Bundle) Env() *Env { return b.env }

// Warnings returns what the loader found that keeps nothing from working.
func (b *Bundle) Warnings() []Diagnostic { return b.warnings }

// Policy returns the effective policy of a scope. A scope the bundle does not
// know gets its nearest ancestor's, and exact is false. "" always exists.
func (b *Bundle) Policy(scope string) (p *Policy, exact bool) {
	exact = true
	for {
		if p, ok := b.policies[scope]; ok {
			return p, exact
		}
		exact = false
		scope, _ = parentScope(scope)
	}
}

// Scopes returns every known scope, sorted: those with a policy file and those
// described in reference files.
func (b *Bundle) Scopes() []string { return b.scopes }

// StoreFacts returns the facts of a store, inherited down the chain; of the
// nearest ancestor that has any when the store has none.
func (b *Bundle) StoreFacts(storeScope string) []Fact {
	for s, more := storeScope, true; more; s, more = parentScope(s) {
		if facts, ok := b.facts[s]; ok {
			return facts
		}
	}
	return nil
}

// CategoryFact returns a number of reference/categories.yaml, such as margin_rate.
func (b *Bundle) CategoryFact(category, name string) (float64, bool) {
	x, ok := b.categories[category][name]
	return x, ok
}

// File returns the bytes of a file of the bundle. The error wraps fs.ErrNotExist.
func (b *Bundle) File(name string) ([]byte, error) {
	data, ok := b.files[name]
	if !ok {
		return nil, fmt.Errorf("bundle file %q: %w", name, fs.ErrNotExist)
	}
	return data, nil
}

// Files returns all files by path. Neither the map nor the bytes may be changed.
func (b *Bundle) Files() map[string][]byte { return b.files }

// Limits of a bundle.
const (
	maxFiles       = 20_000
	maxBundleBytes = 256 << 20 // 256 MiB
)

// Load reads and compiles a bundle: company.yaml, regions/*.yaml, stores/*.yaml and
// reference/*.yaml; tests/ and models are part of the digest. A bad bundle gives a
// *DiagnosticsError with every problem found.
func Load(fsys fs.FS, schema Schema) (*Bundle, error) {
	files, err := readFiles(fsys)
	if err != nil {
		return nil, err
	}
	return LoadFiles(files, schema)
}

// readFiles reads every file that is not hidden.
func readFiles(fsys fs.FS) (map[string][]byte, error) {
	files := map[string][]byte{}
	total := 0
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read bundle: %w", err)
		}
		if base := path.Base(name); name != "." && (strings.HasPrefix(base, ".") || strings.HasSuffix(base, "~")) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.IsDir() {
			return nil
		}
		data, err := readFile(fsys, name, maxBundleBytes-total)
		if err != nil {
			return err
		}
		total += len(data)
		files[name] = data
		if len(files) > maxFiles {
			return tooLarge(name)
		}
		return nil
	})
	return files, err
}

// readFile reads at most limit bytes.
func readFile(fsys fs.FS, name string, limit int) (data []byte, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err = io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("read bundle file %s: %w", name, err)
	}
	if len(data) > limit {
		return nil, tooLarge(name)
	}
	return data, nil
}

func tooLarge(name string) error {
	r := &report{}
	r.addFile("RB3017", name, "the bundle is larger than %d files or %d MiB", maxFiles, maxBundleBytes>>20)
	return &DiagnosticsError{Diagnostics: r.list}
}

// Digest computes the digest of a set of files: the hex SHA-256 over each path and
// content in the order of paths, each preceded by its length as 8 big-endian bytes.
func Digest(files map[string][]byte) string {
	h := sha256.New()
	var size [8]byte
	write := func(b []byte) {
		binary.BigEndian.PutUint64(size[:], uint64(len(b)))
		h.Write(size[:])
		h.Write(b)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		write([]byte(name))
		write(files[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// bundle compiles the files. The result is meaningful only without errors.
func (l *loader) bundle(schema Schema) *Bundle {
	b := &Bundle{digest: Digest(l.files), files: l.files, policies: map[string]*Policy{}}
	facts := newFactTable()
	var children []*document
	var root *document
	for _, name := range slices.Sorted(maps.Keys(l.files)) {
		f := newSource(name, l.files[name])
		switch l.folder(name) {
		case "company":
			root = l.document(f, true)
		case "children":
			if d := l.document(f, false); d != nil {
				children = append(children, d)
			}
		case "reference":
			l.facts(facts, f)
		}
	}
	if _, ok := l.files["company.yaml"]; !ok {
		l.addFile("RB3009", "company.yaml", "the bundle has no company.yaml").help("it declares what all scopes inherit")
	}
	l.checkDeclared(facts)
	if root == nil {
		return b
	}
	facts.rates = slices.ContainsFunc(children, func(d *document) bool { return d.spec.has("exchange") })
	builder := newEnvBuilder(schema)
	top := l.company(root, builder, facts)
	if top == nil {
		return b
	}
	b.name, b.version, b.effective, b.env, b.lang = root.name, root.version, root.effective, builder.env, l.lang
	b.facts, b.categories = facts.byScope(b.env), facts.categories
	l.mergeScopes(b, top, children)
	b.addDescribedScopes(facts)
	if facts.rates {
		b.addRates()
	}
	l.checkDenials(b)
	if !l.errors() {
		l.analyse(b)
	}
	return b
}

// folder says what a path is read as; YAML outside the known folders is an error.
func (l *loader) folder(name string) string {
	dir, base := path.Split(name)
	isYAML := strings.HasSuffix(base, ".yaml") || strings.HasSuffix(base, ".yml")
	switch {
	case !isYAML:
		return ""
	case name == "company.yaml":
		return "company"
	case dir == "regions/", dir == "stores/":
		return "children"
	case dir == "reference/":
		return "reference"
	case dir == "tests/" && strings.HasSuffix(base, "_test.yaml"), strings.HasPrefix(dir, "models/"):
		return ""
	}
	near := nearest(name, []string{"company.yaml", "regions/" + base, "stores/" + base, "reference/" + base, "tests/" + base})
	l.addFile("RB1015", name, "no rule reads this file").
		expected("company.yaml, regions/*.yaml, stores/*.yaml, reference/*.yaml or tests/*_test.yaml").near(near)
	return ""
}

// mergeScopes derives the policies of all children, parents first.
func (l *loader) mergeScopes(b *Bundle, top *state, children []*document) {
	slices.SortStableFunc(children, func(x, y *document) int { return strings.Compare(x.scope, y.scope) })
	states := map[string]*state{"": top}
	b.policies[""] = top.Policy
	var before *document
	for _, d := range children {
		if before != nil && before.scope == d.scope {
			l.add("RB3009", d.scopeAt, "the scope %q has two policy files", d.scope).relate(before.scopeAt.position(), "the other one")
			continue
		}
		before = d
		parent := states[""]
		for s, more := parentScope(d.scope); more; s, more = parentScope(s) {
			if st, ok := states[s]; ok {
				parent = st
				break
			}
		}
		states[d.scope] = l.child(d, parent)
		b.policies[d.scope] = states[d.scope].Policy
	}
}

// addRates gives every scope the fact of its currency rate.
func (b *Bundle) addRates() {
	withRates := make(map[string][]Fact, len(b.scopes))
	for _, scope := range b.scopes {
		rate := Fact{Slot: b.env.Slot("store." + currencyRate), Type: Number, Number: b.policies[scope].CurrencyRate}
		withRates[scope] = append(slices.Clip(b.StoreFacts(scope)), rate)
	}
	b.facts = withRates
}

// addDescribedScopes makes the stores of the reference files known: they share
// the policy of their nearest ancestor.
func (b *Bundle) addDescribedScopes(facts *factTable) {
	for scope := range facts.stores {
		b.policies[scope], _ = b.Policy(scope)
	}
	b.scopes = slices.Sorted(maps.Keys(b.policies))
}
