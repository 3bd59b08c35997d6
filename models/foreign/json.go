package foreign

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxNesting bounds the depth of JSON, so that a hostile file cannot grow the
// stack. The deepest sound files are dumps of chain-like trees.
const maxNesting = 1024

// checkNesting refuses JSON that is nested too deep, before it is decoded.
func checkNesting(data []byte) error {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxNesting {
				return fmt.Errorf("%w: nested more than %d deep", ErrUnsupported, maxNesting)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// topLevelKeys lists the keys of the outer object, without decoding it.
func topLevelKeys(data []byte) (map[string]bool, error) {
	if !json.Valid(data) {
		return nil, fmt.Errorf("%w: not JSON, or cut short", ErrCorrupt)
	}
	keys := map[string]bool{}
	depth, from, last := 0, -1, []byte(nil)
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case from >= 0 && c == '\\':
			i++
		case from >= 0 && c == '"':
			last, from = data[from:i], -1
		case from >= 0:
		case c == '"':
			from = i + 1
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == ':' && depth == 1 && len(keys) < maxKeys:
			keys[string(last)] = true
		}
	}
	return keys, nil
}

// maxKeys bounds the keys of the outer object that are looked at.
const maxKeys = 64

// skipped is a value that is passed over.
type skipped struct{}

// UnmarshalJSON accepts anything.
func (*skipped) UnmarshalJSON([]byte) error { return nil }

func decodeJSON(data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return jsonError(err)
	}
	return nil
}

func jsonError(err error) error { return fmt.Errorf("%w: %w", ErrCorrupt, err) }

// number is a JSON number, a number in quotes, a boolean as 0 or 1, or null as NaN.
type number float64

func (n *number) UnmarshalJSON(b []byte) error {
	switch s := strings.Trim(string(b), `"`); s {
	case "true":
		*n = 1
	case "false":
		*n = 0
	case "null":
		*n = number(math.NaN())
	default:
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", s)
		}
		*n = number(v)
	}
	return nil
}

// whole is the number as an index or count in 0..limit.
func (n number) whole(limit int) (int, error) {
	if !(n >= 0 && float64(n) <= float64(limit)) || float64(n) != math.Trunc(float64(n)) {
		return 0, fmt.Errorf("%w: %v is not a whole number from 0 to %d", ErrCorrupt, float64(n), limit)
	}
	return int(n), nil
}
