package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rebound-engine/rebound/internal/live"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/rules"
)

// effectivePolicy is the merged policy of a scope as data.
type effectivePolicy struct {
	Chain    []string         `json:"scope_chain"`
	Fallback bool             `json:"scope_fallback"`
	Values   []effectiveValue `json:"values"`
}

type effectiveValue struct {
	Path  string `json:"path"`
	Value string `json:"value"`
	Scope string `json:"scope"`
	File  string `json:"file,omitempty"`
	Line  int    `json:"line,omitempty"`
}

func (a *app) policyEffectiveCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "effective [DIR] [SCOPE]",
		Short: "Show the merged policy of a scope and where each value was written",
		Long: `Effective merges the policies from the company down to SCOPE (default: the
company) and prints every value in force with the place that wrote it: of the
bundle in DIR, or of the one a server uses when there is no DIR.`,
		Example: `  rebound policy effective policies us.ne.0412
  rebound policy effective --addr 127.0.0.1:7420 us.ne.0412`,
		Args: args(cobra.MaximumNArgs(2)),
		RunE: func(cmd *cobra.Command, given []string) error {
			dir, scope, err := a.directoryAndScope(cmd, given)
			if err != nil {
				return err
			}
			if dir != "" {
				return a.effectiveOfDirectory(dir, scope)
			}
			return a.withServer(cmd.Context(), func(s *session) error {
				resp, err := s.Policies.GetEffectivePolicy(cmd.Context(), &pb.GetEffectivePolicyRequest{Scope: scope})
				if err != nil {
					return err
				}
				return a.printEffective(scope, effectiveOfServer(resp))
			})
		},
	}
	a.stateFlags(cmd)
	return cmd
}

// directoryAndScope tells a directory from a scope: with --addr or --store there is only a scope.
func (a *app) directoryAndScope(cmd *cobra.Command, given []string) (dir, scope string, err error) {
	server := cmd.Flags().Changed("addr") || cmd.Flags().Changed("store")
	switch {
	case server && len(given) == 2:
		return "", "", usageErrorf("give a directory, or --addr or --store, not both")
	case len(given) == 2:
		return given[0], given[1], nil
	case len(given) == 0:
		return "", "", nil
	}
	if info, err := os.Stat(given[0]); !server && err == nil && info.IsDir() {
		return given[0], "", nil
	}
	return "", given[0], nil
}

func (a *app) effectiveOfDirectory(dir, scope string) error {
	d, err := readBundle(dir)
	if err != nil {
		return err
	}
	b, err := a.compile(d)
	if err != nil {
		return err
	}
	e := live.EffectiveOf(b, scope)
	out := effectivePolicy{Chain: e.Chain, Fallback: !e.Exact}
	for _, v := range e.Values {
		out.Values = append(out.Values, effectiveValue{v.Path, v.Value, v.Scope, v.File, v.Line})
	}
	return a.printEffective(scope, out)
}

func effectiveOfServer(m *pb.GetEffectivePolicyResponse) effectivePolicy {
	out := effectivePolicy{Chain: m.GetScopeChain(), Fallback: m.GetScopeFallback()}
	for _, v := range m.GetValues() {
		out.Values = append(out.Values, effectiveValue{v.GetPath(), v.GetValue(), v.GetScope(), v.GetFile(), int(v.GetLine())})
	}
	return out
}

func (a *app) printEffective(scope string, e effectivePolicy) error {
	if e.Fallback {
		nearest := ""
		if len(e.Chain) > 0 {
			nearest = e.Chain[len(e.Chain)-1]
		}
		fmt.Fprintf(a.errOut, "scope %q is unknown; this is its nearest ancestor, %q\n", scope, nearest)
	}
	return a.print(e, func(w io.Writer) {
		lines := make([]rules.EffectiveValue, len(e.Values))
		for i, v := range e.Values {
			lines[i].Section, lines[i].Name, _ = strings.Cut(v.Path, ".")
			lines[i].Value = v.Value
			lines[i].Source = rules.Source{Scope: v.Scope, Position: rules.Position{File: v.File, Line: v.Line}}
		}
		io.WriteString(w, rules.FormatEffective(lines)) //nolint:errcheck // tabwriter keeps the first error for Flush
	})
}

// policyChange is one difference of two bundles as data.
type policyChange struct {
	Text   string   `json:"text"`
	Scopes []string `json:"scopes"`
}

func (a *app) policyDiffCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "diff OLD NEW",
		Short:   "Say in words what changes between two bundles, and for which scopes",
		Example: "  rebound policy diff policies-in-force policies",
		Args:    args(cobra.ExactArgs(2)),
		RunE: func(_ *cobra.Command, dirs []string) error {
			var bundles [2]*rules.Bundle
			for i, dir := range dirs {
				d, err := readBundle(dir)
				if err != nil {
					return err
				}
				if bundles[i], err = a.compile(d); err != nil {
					return err
				}
			}
			changes := rules.Diff(bundles[0], bundles[1])
			data := make([]policyChange, len(changes))
			for i, c := range changes {
				data[i] = policyChange{c.Text, c.Scopes}
			}
			return a.print(data, func(w io.Writer) {
				io.WriteString(w, rules.FormatDiff(changes)) //nolint:errcheck // tabwriter keeps the first error for Flush
			})
		},
	}
}
