package rules

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// mapping is a YAML mapping whose keys were checked.
type mapping struct {
	r    *report
	at   node // the mapping itself
	what string
	vals map[string]node
	keys []string // in file order
	name map[string]node
}

// openMap reads n as a mapping. A nil known accepts any key.
func (r *report) openMap(n node, what string, known []string) (*mapping, bool) {
	if !n.isMap() {
		if n.Node != nil {
			r.add("RB1008", n, "%s is %s", what, n.describe()).expected("a mapping of " + orAny(known))
		}
		return nil, false
	}
	m := &mapping{r: r, at: n, what: what, vals: make(map[string]node, len(n.Content)/2), name: make(map[string]node, len(n.Content)/2)}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.child(i)
		if !k.isScalar() {
			continue
		}
		if _, twice := m.vals[k.Value]; twice {
			continue
		}
		if known != nil && !slices.Contains(known, k.Value) {
			if n.Style&yaml.FlowStyle != 0 && n.child(i+1).isNull() && strings.ContainsAny(k.Value, "()\" ") {
				r.add("RB1014", k, "the comma before this cuts an unquoted value short").help("put the value in quotes")
				continue
			}
			r.add("RB1007", k, "unknown key %q in %s", k.Value, what).expected("one of " + strings.Join(known, ", ")).near(nearest(k.Value, known))
			continue
		}
		m.vals[k.Value], m.name[k.Value] = n.child(i+1), k
		m.keys = append(m.keys, k.Value)
	}
	return m, true
}

func orAny(known []string) string {
	if known == nil {
		return "names to values"
	}
	return strings.Join(known, ", ")
}

func (m *mapping) has(key string) bool { _, ok := m.vals[key]; return ok }

// get returns a value, or an empty node.
func (m *mapping) get(key string) node { return m.vals[key] }

// require reports a key that is missing or empty.
func (m *mapping) require(keys ...string) bool {
	ok := true
	for _, k := range keys {
		if v, there := m.vals[k]; !there || v.isNull() {
			m.r.add("RB1010", m.at, "%s lacks %q", m.what, k).expected("the key " + k)
			ok = false
		}
	}
	return ok
}

// text reads a string; a plain truth word or number is named as a trap.
func (m *mapping) text(key string) string {
	v, ok := m.vals[key]
	if !ok {
		return ""
	}
	s, _ := m.r.text(v, m.what+"."+key)
	return s
}

func (r *report) text(v node, what string) (string, bool) {
	if !v.isScalar() || v.isNull() {
		r.add("RB1008", v, "%s is %s", what, v.describe()).expected("a text")
		return "", false
	}
	if v.isPlain() && (v.Tag == "!!bool" || v.Tag == "!!int" || v.Tag == "!!float") {
		r.add("RB1009", v, "%s is %s", what, v.describe()).expected("a text").help("put it in quotes to mean the text: " + strconv.Quote(v.Value))
		return "", false
	}
	return v.Value, true
}

// enum reads a text that must be one of known.
func (m *mapping) enum(key, fallback string, known ...string) string {
	v, ok := m.vals[key]
	if !ok {
		return fallback
	}
	s, ok := m.r.text(v, m.what+"."+key)
	if ok && !slices.Contains(known, s) {
		m.r.add("RB1011", v, "%s.%s is %q", m.what, key, s).expected("one of " + strings.Join(known, ", ")).near(nearest(s, known))
		return fallback
	}
	return s
}

var identifier = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// id reads an identifier: letters, digits, "-", "_" and ".", at most 64.
func (m *mapping) id(key string) string {
	v, ok := m.vals[key]
	if !ok {
		return ""
	}
	s, ok := m.r.text(v, m.what+"."+key)
	if ok && !identifier.MatchString(s) {
		m.r.add("RB1012", v, "%s.%s is %s", m.what, key, quoteShort(s)).expected("letters, digits, '-', '_' and '.', at most 64, starting with a letter or digit")
	}
	return s
}

// number reads a finite number within [lo, hi].
func (m *mapping) number(key string, fallback, lo, hi float64) float64 {
	v, ok := m.vals[key]
	if !ok {
		return fallback
	}
	x, ok := m.r.number(v, m.what+"."+key)
	if !ok {
		return fallback
	}
	if x < lo || x > hi {
		m.r.add("RB1011", v, "%s.%s is %s", m.what, key, v.Value).expected(rangeText(lo, hi))
		return fallback
	}
	return x
}

func rangeText(lo, hi float64) string {
	if math.IsInf(hi, 1) {
		return "a number of at least " + formatNumber(lo)
	}
	if math.IsInf(lo, -1) {
		return "a number of at most " + formatNumber(hi)
	}
	return "a number from " + formatNumber(lo) + " to " + formatNumber(hi)
}

func formatNumber(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// number reads a finite number written in decimal digits.
func (r *report) number(v node, what string) (float64, bool) {
	if !v.isPlain() || (v.Tag != "!!int" && v.Tag != "!!float") {
		r.add("RB1008", v, "%s is %s", what, describeNonNumber(v)).expected("a number")
		return 0, false
	}
	x, err := strconv.ParseFloat(strings.ReplaceAll(v.Value, "_", ""), 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		r.add("RB1008", v, "%s is %s", what, quoteShort(v.Value)).expected("a finite decimal number")
		return 0, false
	}
	return x, true
}

func describeNonNumber(v node) string {
	if v.Node == nil {
		return "missing"
	}
	return v.describe()
}

// integer reads a whole number within [lo, hi].
func (m *mapping) integer(key string, fallback, lo, hi int) int {
	x := m.number(key, float64(fallback), float64(lo), float64(hi))
	if x != math.Trunc(x) {
		m.r.add("RB1008", m.vals[key], "%s.%s is %s", m.what, key, formatNumber(x)).expected("a whole number")
		return fallback
	}
	return int(x)
}

// flag reads true or false, and names the words other YAML versions read so.
func (m *mapping) flag(key string, fallback bool) bool {
	v, ok := m.vals[key]
	if !ok {
		return fallback
	}
	b, ok := m.r.flag(v, m.what+"."+key)
	if !ok {
		return fallback
	}
	return b
}

func (r *report) flag(v node, what string) (value, ok bool) {
	if v.isPlain() && v.Tag == "!!bool" {
		return strings.EqualFold(v.Value, "true"), true
	}
	if v.isPlain() && isTruthWord(v.Value) {
		r.add("RB1009", v, "%s is `%s`, which some YAML readers take for a truth value and others for a text", what, v.Value).
			expected("true or false")
		return false, false
	}
	r.add("RB1008", v, "%s is %s", what, v.describe()).expected("true or false")
	return false, false
}

// isTruthWord tells whether YAML 1.1 would have read an unquoted word as a bool.
func isTruthWord(s string) bool {
	switch strings.ToLower(s) {
	case "yes", "no", "on", "off", "y", "n":
		return true
	}
	return false
}

// texts reads a list of texts.
func (m *mapping) texts(key string) []string {
	v, ok := m.vals[key]
	if !ok {
		return nil
	}
	return m.r.texts(v, m.what+"."+key)
}

func (r *report) texts(v node, what string) []string {
	if !v.isList() {
		r.add("RB1008", v, "%s is %s", what, v.describe()).expected("a list of texts, [a, b]")
		return nil
	}
	out := make([]string, 0, len(v.Content))
	for i := range v.Content {
		item := v.child(i)
		if item.isPlain() && isTruthWord(item.Value) {
			r.add("RB1009", item, "%s holds the unquoted word `%s`, which some YAML readers take for a truth value", what, item.Value).
				help("put it in quotes: " + strconv.Quote(item.Value))
			continue
		}
		if s, ok := r.text(item, what+" item"); ok {
			out = append(out, s)
		}
	}
	return out
}

// enums reads a list of texts that must all be among known.
func (m *mapping) enums(key string, known []string) []string {
	v, ok := m.vals[key]
	if !ok {
		return nil
	}
	out := m.texts(key)
	for i := range v.Content {
		if c := v.child(i); c.isScalar() && len(known) > 0 && !slices.Contains(known, c.Value) && slices.Contains(out, c.Value) {
			m.r.add("RB1011", c, "%s.%s holds %q", m.what, key, c.Value).expected("one of " + strings.Join(known, ", ")).near(nearest(c.Value, known))
		}
	}
	if v.isList() && len(v.Content) == 0 {
		m.r.add("RB1011", v, "%s.%s is an empty list, which nothing can match", m.what, key).help("remove the key to mean all of them")
	}
	return out
}

// items opens each element of a list of mappings.
func (m *mapping) items(key, what string, known []string) []*mapping {
	v, ok := m.vals[key]
	if !ok || v.isNull() {
		return nil
	}
	if !v.isList() {
		m.r.add("RB1008", v, "%s.%s is %s", m.what, key, v.describe()).expected("a list, one `- ` per entry")
		return nil
	}
	var out []*mapping
	for i := range v.Content {
		if item, ok := m.r.openMap(v.child(i), what, known); ok {
			out = append(out, item)
		}
	}
	return out
}
