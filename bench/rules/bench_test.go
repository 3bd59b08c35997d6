package rules

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/rebound-engine/rebound/rules"
)

// perCondition reports the time of one condition.
func perCondition(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/condition")
}

func BenchmarkRebound(b *testing.B) {
	bundle, err := rules.Load(Bundle(), Schema())
	if err != nil {
		b.Fatal(err)
	}
	p, _ := bundle.Policy("")
	f := bundle.Env().NewFrame()
	for group, values := range Input() {
		for name, v := range values {
			slot := bundle.Env().Slot(group + "." + name)
			switch v := v.(type) {
			case float64:
				f.SetNumber(slot, v)
			case string:
				f.SetString(slot, v)
			case []string:
				f.SetStrings(slot, v)
			}
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range p.Constraints {
			if ok, err := p.Constraints[i].When.Bool(f); !ok || err != nil {
				b.Fatal(p.Constraints[i].When.Text(), ok, err)
			}
		}
	}
	perCondition(b, len(p.Constraints))
}

// The environment of expr as a struct by value, its fastest form.
type exprEnv struct {
	Customer struct {
		AbuseScore  float64 `expr:"abuse_score"`
		ReturnRate  float64 `expr:"return_rate"`
		RecencyDays float64 `expr:"recency_days"`
	} `expr:"customer"`
	Ret struct {
		RefundValue float64 `expr:"refund_value"`
		Reason      string  `expr:"reason"`
	} `expr:"ret"`
	Candidate struct {
		Margin float64 `expr:"margin_if_redeemed"`
	} `expr:"candidate"`
	Basket struct {
		With float64 `expr:"with"`
	} `expr:"basket"`
	Store struct {
		Assortment []string `expr:"assortment"`
	} `expr:"store"`
	Request struct {
		Channel string `expr:"channel"`
	} `expr:"request"`
}

func BenchmarkExpr(b *testing.B) {
	var env exprEnv
	env.Customer.AbuseScore, env.Customer.ReturnRate, env.Customer.RecencyDays = 0.1, 0.3, 20
	env.Ret.RefundValue, env.Ret.Reason, env.Candidate.Margin, env.Basket.With = 80, "SIZE", 30, 90
	env.Store.Assortment, env.Request.Channel = []string{"basics", "shoes", "coats"}, "STORE"
	var programs []*vm.Program
	for _, c := range Conditions() {
		p, err := expr.Compile(c.Rebound, expr.Env(exprEnv{}), expr.AsBool())
		if err != nil {
			b.Fatal(err)
		}
		programs = append(programs, p)
	}
	var machine vm.VM
	var boxed any = env // once, not per call
	b.ReportAllocs()
	for b.Loop() {
		for _, p := range programs {
			if out, err := machine.Run(p, boxed); out != true || err != nil {
				b.Fatal(out, err)
			}
		}
	}
	perCondition(b, len(programs))
}

func BenchmarkCEL(b *testing.B) {
	var options []cel.EnvOption
	input := map[string]any{}
	for group, values := range Input() {
		for name, v := range values {
			t := cel.DoubleType
			switch v.(type) {
			case string:
				t = cel.StringType
			case []string:
				t = cel.ListType(cel.StringType)
			}
			options = append(options, cel.Variable(group+"."+name, t))
			input[group+"."+name] = v
		}
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		b.Fatal(err)
	}
	var programs []cel.Program
	for _, c := range Conditions() {
		ast, issues := env.Compile(c.CEL)
		if issues.Err() != nil {
			b.Fatal(issues.Err())
		}
		p, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize))
		if err != nil {
			b.Fatal(err)
		}
		programs = append(programs, p)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, p := range programs {
			if out, _, err := p.Eval(input); err != nil || out.Value() != true {
				b.Fatal(out, err)
			}
		}
	}
	perCondition(b, len(programs))
}

func BenchmarkOPA(b *testing.B) {
	var module strings.Builder
	module.WriteString("package bench\n")
	for _, group := range []string{"customer", "ret", "candidate", "basket", "store", "request"} {
		fmt.Fprintf(&module, "import input.%s\n", group)
	}
	conditions := Conditions()
	for i, c := range conditions {
		fmt.Fprintf(&module, "allow_%d if { %s }\n", i, c.Rego)
	}
	ctx := context.Background()
	input := map[string]any{}
	for group, values := range Input() {
		input[group] = values
	}
	query, err := rego.New(rego.Query("data.bench"), rego.Module("bench.rego", module.String())).PrepareForEval(ctx)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		out, err := query.Eval(ctx, rego.EvalInput(input))
		if err != nil || len(out) != 1 {
			b.Fatal(out, err)
		}
		if answers := out[0].Expressions[0].Value.(map[string]any); len(answers) != len(conditions) {
			b.Fatal(answers)
		}
	}
	perCondition(b, len(conditions))
}
