package rules

// op is a kind of node in a checked expression.
type op uint8

const (
	opBad op = iota // did not check; suppresses further messages
	opNumber
	opBool
	opString
	opList    // constant texts
	opNumbers // constant numbers, right of `in`
	opVar
	opElem // `#` in any, all, none
	opNeg
	opNot
	opAnd
	opOr
	opAdd
	opSub
	opMul
	opDiv
	opEq
	opNe
	opLt
	opLe
	opGt
	opGe
	opIn
	opContains
	opStartsWith
	opEndsWith
	opCond
	opMin
	opMax
	opAbs
	opFloor
	opCeil
	opRound
	opLen
	opAny
	opAll
	opNone
)

// kind is the type of a node's value as the compiler sees it.
type kind uint8

const (
	kindBad kind = iota
	kindBool
	kindNumber
	kindString
	kindStrings
	kindNumbers
)

func (k kind) String() string {
	switch k {
	case kindBool:
		return "true or false"
	case kindNumber:
		return "a number"
	case kindString:
		return "a text"
	case kindStrings:
		return "a list of texts"
	case kindNumbers:
		return "a list of numbers"
	}
	return "an unknown value"
}

// tree is a checked expression. Immutable after checking.
type tree struct {
	op       op
	kind     kind
	dim      dimension
	args     []*tree
	number   float64 // opNumber; opBool as 0 and 1
	text     string  // opString
	list     []string
	numbers  []float64
	variable *Variable
	slot     Slot
	from, to int  // bytes of the expression's text
	inner    bool // the `in` of a `not in`: never shown by itself
}

func kindOf(t Type) kind {
	switch t {
	case Bool:
		return kindBool
	case Number, Money, Share:
		return kindNumber
	case String:
		return kindString
	case Strings:
		return kindStrings
	}
	return kindBad
}

// walk visits a tree in depth-first order.
func (t *tree) walk(visit func(*tree)) {
	visit(t)
	for _, a := range t.args {
		a.walk(visit)
	}
}
