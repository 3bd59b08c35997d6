package rules

import "testing"

// TestExpressionProblems: each problem has its code, and the caret stands under
// exactly the part that is wrong.
func TestExpressionProblems(t *testing.T) {
	env := testEnv()
	lang := newLanguage(env)
	for _, c := range []struct{ text, code, under string }{
		{`ret.value >= "x" and true`, "RB2003", `"x"`},
		{`ret.reason >= 3`, "RB2003", `ret.reason`},
		{`ret.reason == 3`, "RB2003", `ret.reason == 3`},
		{`customer.top == store.stock`, "RB2003", `customer.top == store.stock`},
		{`true and (ret.value + 1)`, "RB2003", `ret.value + 1`},
		{`not ret.items`, "RB2003", `ret.items`},
		{`-customer.member > 0`, "RB2003", `customer.member`},
		{`+ret.reason == 1`, "RB2003", `ret.reason`},
		{`ret.reason in ret.reason`, "RB2003", `ret.reason`},
		{`ret.items in store.stock`, "RB2003", `ret.items`},
		{`ret.reason in [1, 2]`, "RB2003", `ret.reason`},
		{`ret.reason in ["a", 1]`, "RB2003", `1`},
		{`ret.reason in [ret.reason]`, "RB2003", `ret.reason`},
		{`store.stock contains "x"`, "RB2003", `store.stock`},
		{`ret.reason startsWith 5`, "RB2003", `5`},
		{`(true ? 1 : "x") == 1`, "RB2003", `"x"`},
		{`(ret.items ? 1 : 2) == 1`, "RB2003", `ret.items`},
		{`len(ret.items) > 1`, "RB2003", `ret.items`},
		{`any(ret.reason, true)`, "RB2003", `ret.reason`},
		{`any(store.stock, 5)`, "RB2003", `5`},
		{`abs(ret.reason) > 1`, "RB2003", `ret.reason`},
		{`max(ret.items, ret.reason) > 1`, "RB2003", `ret.reason`},
		{`ret.items / 0 > 1`, "RB2003", `0`},
		{`ret.value > ret.items`, "RB2004", `ret.value > ret.items`},
		{`ret.value + customer.days > 1`, "RB2004", `ret.value + customer.days`},
		{`(true ? ret.value : customer.days) > 1`, "RB2004", `true ? ret.value : customer.days`},
		{`min(ret.value, customer.days) > 1`, "RB2004", `min(ret.value, customer.days)`},
		{`ret.value == nil`, "RB2005", `nil`},
		{`let x = 1; x > 0`, "RB2005", `x`},
		{`true; false`, "RB2005", `true`},
		{`ret?.value > 1`, "RB2005", `value`},
		{`{a: 1} == 1`, "RB2005", `{`},
		{`store.stock[0] == "x"`, "RB2005", `[`},
		{`store.stock[0:1] == store.stock`, "RB2005", `[`},
		{`ret.reason + "x" == "x"`, "RB2005", `ret.reason + "x"`},
		{`ret.items % 2 == 0`, "RB2005", `%`},
		{`upper(ret.reason) == "X"`, "RB2005", `upper`},
		{`ret.reason.size() > 1`, "RB2005", `size`},
		{`any(store.stock, #index > 1)`, "RB2005", `#`},
		{`b"x" == "x"`, "RB2005", `b"x"`},
		{`ret.items > 9007199254740993`, "RB2005", `9007199254740993`},
		{`(ret.values) > 1`, "RB2002", `ret.values`},
		{`SIZE == "x"`, "RB2002", `SIZE`},
		{`customer == 1`, "RB2002", `customer`},
		{`$env == 1`, "RB2002", `$env`},
		{`abs() > 1`, "RB2009", `abs()`},
		{`len(ret.reason, 2) > 1`, "RB2009", `len(ret.reason, 2)`},
		{`ret.channel in ["STORE", "SHOP"]`, "RB2010", `"SHOP"`},
		{`"SHOP" == ret.channel`, "RB2010", `"SHOP"`},
		{`ret.items +`, "RB2001", `+`},
		{`"é" == ret.reason and ret.itemz > 1`, "RB2002", `ret.itemz`},
		{`ret.items`, "RB2008", `ret.items`},
	} {
		_, problems := lang.analyse(c.text, anyRole(kindBool))
		if len(problems) != 1 {
			t.Errorf("%s: %d problems %+v", c.text, len(problems), problems)
			continue
		}
		if p := problems[0]; p.code != c.code || c.text[p.from:p.to] != c.under || p.message == "" {
			t.Errorf("%s: %s under %q, want %s under %q: %s", c.text, p.code, c.text[p.from:p.to], c.code, c.under, p.message)
		}
	}
}

// TestProblemsAllAtOnce: one expression reports all that is wrong with it.
func TestProblemsAllAtOnce(t *testing.T) {
	_, problems := newLanguage(testEnv()).analyse(`ret.valu > 1 and ret.reason > 2 and sum([1]) > 1 and ret.channel == "SHOP"`, anyRole(kindBool))
	if len(problems) != 4 {
		t.Errorf("%d problems: %+v", len(problems), problems)
	}
}

func TestUnits(t *testing.T) {
	money, days, ratio, literal, unknown := unitDimension("money"), unitDimension("days"), unitDimension("share"), dimension{}, anyDimension
	for _, c := range []struct {
		d    dimension
		want string
	}{
		{money.times(ratio, 1), "money"}, {ratio.times(money, 1), "money"}, {money.times(money, -1), "a ratio"}, {money.times(days, -1), "days^-1*money"},
		{money.times(literal, 1), "money"}, {literal.times(days, 1), "days"}, {literal.times(ratio, 1), "a number"}, {money.times(unknown, 1), "a number"},
		{days.times(days, 1), "days^2"}, {literal.times(money, -1), "money^-1"},
	} {
		if got := c.d.String(); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	for _, c := range []struct {
		a, b dimension
		ok   bool
	}{{money, money, true}, {money, literal, true}, {literal, days, true}, {money, unknown, true}, {money, ratio, false}, {money, days, false}} {
		if _, ok := c.a.join(c.b); ok != c.ok {
			t.Errorf("%s with %s: %t", c.a, c.b, ok)
		}
	}
}
