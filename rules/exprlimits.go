package rules

import "strings"

// Limits of one expression. Length and depth are checked before anything parses
// the text, so that no recursion depends on what a policy says.
const (
	maxExprBytes = 4 << 10 // 4 KiB
	maxExprDepth = 32      // of brackets
	maxExprNodes = 400
	maxExprLoops = 2     // any, all and none inside each other
	maxSteps     = 5_000 // list elements and 64-byte pieces of text looked at in one evaluation
)

const tooManyParts = "the expression has more than 400 parts"

// exceedsLimits returns the place and a description of the first limit a text
// exceeds, or "".
func exceedsLimits(text string) (at int, problem string) {
	if len(text) > maxExprBytes {
		return 0, "the expression is longer than 4096 bytes"
	}
	depth, operators := 0, 0
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0:
			if c == '\\' && quote != '`' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case strings.IndexByte("([{", c) >= 0:
			if depth++; depth > maxExprDepth {
				return i, "brackets nest deeper than 32"
			}
		case strings.IndexByte(")]}", c) >= 0:
			depth--
		case strings.IndexByte("+-!?", c) >= 0: // a node each at least, and expr's parser recurses on them
			if operators++; operators > maxExprNodes {
				return i, tooManyParts
			}
		}
	}
	return 0, ""
}
