package main

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rebound-engine/rebound/engine"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/rules/rulestest"
)

// explanation is what `policy explain` is told.
type explanation struct {
	app      *app
	voice    string
	decision string
	caseName string
	input    caseInput
}

func (a *app) policyExplainCmd() *cobra.Command {
	x := &explanation{app: a}
	cmd := &cobra.Command{
		Use:   "explain [DIR]",
		Short: "Explain a decision in plain words",
		Long: `Explain tells why a customer gets an offer or none, in the words of an engineer, a
merchandiser or a store associate (who learns nothing of the customer). The engineer
also gets the path down the scopes, the arithmetic of every candidate and, with DIR,
the verdict of every rule with its place in the files.

With DIR the policies of that directory decide on a case of its test suites (--case)
or on a request of your own (--request, --customer, --return: JSON objects in files).
With --decision it explains a decision a server has logged.`,
		Example: `  rebound policy explain policies --case "high abuse score gets nothing but none"
  rebound policy explain policies --request return.json --voice associate
  rebound policy explain --addr 127.0.0.1:7420 --decision 0197c0d2-…`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, dirs []string) error { return x.run(cmd.Context(), dirs) },
	}
	f := cmd.Flags()
	f.StringVar(&x.voice, "voice", "merchandiser", "engineer, merchandiser or associate")
	f.StringVar(&x.decision, "decision", "", "id of a logged decision")
	f.StringVar(&x.caseName, "case", "", "case of a test suite, or suite/case")
	f.StringVar(&x.input.request, "request", "", "file with a request as JSON; - is standard input")
	f.StringVar(&x.input.customer, "customer", "", "file with the customer's variables as a JSON object, without prefix")
	f.StringVar(&x.input.returned, "return", "", "file with the return's variables as a JSON object, without prefix")
	f.StringVar(&x.input.scope, "scope", "", "scope to decide in, instead of the request's")
	a.stateFlags(cmd)
	return cmd
}

func (x *explanation) run(ctx context.Context, dirs []string) error {
	voice, ok := engine.ParseVoice(x.voice)
	if !ok {
		return usageErrorf("--voice %s: give engineer, merchandiser or associate", x.voice)
	}
	switch {
	case x.decision != "" && len(dirs) > 0:
		return usageErrorf("give a directory, or --decision of a server, not both")
	case x.decision != "":
		return x.logged(ctx, voice)
	case len(dirs) == 0:
		return usageErrorf("give a bundle directory with --case or --request, or --decision of a server")
	}
	return x.whatIf(ctx, dirs[0], voice)
}

// logged explains a decision of a server.
func (x *explanation) logged(ctx context.Context, voice engine.Voice) error {
	return x.app.withServer(ctx, func(s *session) error {
		resp, err := s.Decisions.GetDecision(ctx, &pb.GetDecisionRequest{DecisionId: x.decision})
		if err != nil {
			return err
		}
		d := decisionOf(resp.GetDecision())
		return x.print(d, engine.Narrate(d, voice))
	})
}

// whatIf explains what the policies of a directory decide.
func (x *explanation) whatIf(ctx context.Context, dir string, voice engine.Voice) error {
	d, err := readBundle(dir)
	if err != nil {
		return err
	}
	b, err := x.app.compile(d)
	if err != nil {
		return err
	}
	c, err := x.chosenCase(d, b)
	if err != nil {
		return err
	}
	if err := x.app.overrideCase(b, c, &x.input); err != nil {
		return err
	}
	assumed := assume(b, c)
	outcome, decision, err := engine.NewWhatIf("policy explain").ExplainCase(ctx, b, *c)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	markAssumed(decision, assumed)
	text := engine.Narrate(decision, voice)
	if voice == engine.VoiceEngineer {
		policy, _ := b.Policy(decision.Scope)
		text += engine.NarrateRules(policy, decision, outcome)
	}
	return x.print(decision, text)
}

// markAssumed lets the explanation say which scores were written down, not predicted.
func markAssumed(d *engine.Decision, outcomes []string) {
	for i := range d.Candidates {
		for k := range d.Candidates[i].Outcomes {
			o := &d.Candidates[i].Outcomes[k]
			o.Assumed = o.Assumed || slices.Contains(outcomes, o.Outcome)
		}
	}
}

// chosenCase is the suite's case or the one of the request files.
func (x *explanation) chosenCase(d *directory, b *rules.Bundle) (*rulestest.Case, error) {
	if x.caseName == "" {
		return x.app.readCase(b, &x.input)
	}
	if x.input.request != "" {
		return nil, usageErrorf("give --case or --request, not both")
	}
	suites, err := x.app.suites(d, b)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range suites {
		for _, sc := range s.Cases {
			if sc.Name == x.caseName || s.Name+"/"+sc.Name == x.caseName {
				c := rulestest.NewCase(b, sc)
				return &c, nil
			}
			names = append(names, "  "+s.Name+"/"+sc.Name)
		}
	}
	return nil, usageErrorf("--case %q is none of %s; there are\n%s", x.caseName, d.path, strings.Join(names, "\n"))
}

// explained is an explanation as data.
type explained struct {
	Decision string   `json:"decision,omitempty"`
	Outcome  string   `json:"outcome"`
	Offer    string   `json:"offer"`
	Text     []string `json:"text"`
}

func (x *explanation) print(d *engine.Decision, text string) error {
	data := explained{d.ID, d.Outcome.String(), d.Delivered, strings.Split(strings.TrimSpace(text), "\n")}
	return x.app.print(data, func(w io.Writer) {
		io.WriteString(w, text) //nolint:errcheck // tabwriter keeps the first error for Flush
	})
}
