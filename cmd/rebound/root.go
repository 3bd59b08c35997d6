package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/status"

	"github.com/rebound-engine/rebound/client"
)

// formatsKey annotates a command with the output formats it has, if they are
// not the usual ones.
const formatsKey = "formats"

// app carries what every verb shares.
type app struct {
	in          io.Reader
	out, errOut io.Writer

	format string // table, json or yaml
	addr   string // of a running server
	store  string // or a folder to open
	bundle string // policies to activate when a folder is opened
	clock  string // wall or events, when a folder is opened
}

func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	a := &app{in: in, out: out, errOut: errOut}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	started := false
	prepare(root, &started)
	err := root.ExecuteContext(ctx)
	if err != nil && !started {
		err = asUsage(err)
	}
	if err != nil {
		fmt.Fprintln(errOut, "rebound: "+message(err))
	}
	return exitCode(err)
}

// prepare notes when a verb's work starts, and makes groups of verbs refuse what is none of theirs.
func prepare(cmd *cobra.Command, started *bool) {
	for _, c := range cmd.Commands() {
		prepare(c, started)
	}
	switch work := cmd.RunE; {
	case work != nil:
		cmd.RunE = func(c *cobra.Command, arg []string) error {
			*started = true
			return work(c, arg)
		}
	case cmd.HasParent() && cmd.HasSubCommands() && cmd.Run == nil:
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(c *cobra.Command, arg []string) error {
			if len(arg) > 0 {
				return usageErrorf("unknown command %q; see %s --help", arg[0], c.CommandPath())
			}
			return c.Help()
		}
	}
}

// asUsage gives an error from before a verb's work the usage exit code, unless it has one.
func asUsage(err error) error {
	if _, ok := errors.AsType[*exitError](err); ok {
		return err
	}
	return &exitError{exitUsage, err}
}

// message is what a person reads: of a refused call its code, its reason and the sentence.
func message(err error) string {
	if refused, ok := errors.AsType[*client.Error](err); ok {
		code := refused.Code.String() + ": "
		return code + strings.TrimPrefix(err.Error(), code)
	}
	if s, ok := status.FromError(err); ok && s.Message() != "" {
		return s.Code().String() + ": " + s.Message()
	}
	return err.Error()
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "rebound",
		Short: "Decide which incentive wins the next purchase after a return",
		Long: `Rebound decides, at the moment a customer returns something, which incentive
would win the next purchase, if any, and what it may cost.

Verbs talk to a running server (--addr) or open a store folder of their own (--store).`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			allowed := strings.Fields(cmp.Or(cmd.Annotations[formatsKey], "table json yaml"))
			if slices.Contains(allowed, a.format) {
				return nil
			}
			return usageErrorf("-o %s: give one of %s", a.format, strings.Join(allowed, ", "))
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{exitUsage, err} })
	f := root.PersistentFlags()
	f.StringVarP(&a.format, "output", "o", "table", "table, json or yaml")
	root.AddCommand(
		a.serveCmd(), a.decideCmd(), a.ingestCmd(), a.demoCmd(), a.policyCmd(), a.trainCmd(), a.evaluateCmd(),
		a.replayCmd(), a.modelCmd(), a.journalCmd(), a.budgetCmd(), a.profileCmd(), a.storeCmd(), a.simCmd(), a.versionCmd(),
	)
	return root
}

// stateFlags adds the choice between a server and a folder.
func (a *app) stateFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.addr, "addr", os.Getenv("REBOUND_ADDR"), "address of a running server, host:port or unix:PATH (default "+defaultAddr+")")
	f.StringVar(&a.store, "store", os.Getenv("REBOUND_STORE"), "store folder to open instead (no other process may hold it)")
	f.StringVar(&a.bundle, "policies", "", "with --store: bundle to activate first (default: the last one the log activated)")
	f.StringVar(&a.clock, "clock", "wall", "with --store: wall, or events to let business time follow the log")
	cmd.MarkFlagsMutuallyExclusive("addr", "store")
}

// args wraps cobra's argument checks so that they exit with the usage code.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageErrorf("%w; see %s --help", err, cmd.CommandPath())
		}
		return nil
	}
}
