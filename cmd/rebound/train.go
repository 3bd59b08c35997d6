package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/eval"
	"github.com/rebound-engine/rebound/store"
	"github.com/rebound-engine/rebound/store/badgerstore"
)

// logFlags say which part of which log train and evaluate read.
type logFlags struct {
	store, currency, timezone, horizon, from, until string
	options                                         engine.TrainingOptions
}

func (l *logFlags) add(cmd *cobra.Command, from, until string) {
	f := cmd.Flags()
	f.StringVar(&l.store, "store", os.Getenv("REBOUND_STORE"), "store folder whose log is read (no other process may hold it)")
	f.StringVar(&l.currency, "currency", "", "currency of the money features, ISO 4217")
	f.StringVar(&l.timezone, "timezone", "UTC", "of local days and hours, as in the policies")
	f.StringVar(&l.horizon, "horizon", "30d", "window of the outcome after a return, e.g. 30d")
	f.StringVar(&l.from, "from", "", from)
	f.StringVar(&l.until, "until", "", until)
}

func (l *logFlags) parse() error {
	if l.store != "" && l.currency == "" {
		return usageErrorf("--currency: a currency is needed")
	}
	return l.parseRange()
}

// parseRange is parse where the log itself may say the currency.
func (l *logFlags) parseRange() (err error) {
	if l.store == "" {
		return usageErrorf("--store: a folder is needed, or --data: a table of a past campaign")
	}
	l.options.Currency = l.currency
	if l.options.Location, err = time.LoadLocation(l.timezone); err != nil {
		return usageErrorf("--timezone: %w", err)
	}
	if l.options.Horizon, err = parseDays(l.horizon); err != nil {
		return usageErrorf("--horizon: %w", err)
	}
	for _, t := range []struct {
		flag, text string
		to         *time.Time
	}{{"--from", l.from, &l.options.From}, {"--until", l.until, &l.options.Until}} {
		if t.text == "" {
			continue
		}
		if *t.to, err = parseTime(t.text); err != nil {
			return usageErrorf("%s: %w", t.flag, err)
		}
	}
	return nil
}

// parseDays reads 30d, or a Go duration.
func parseDays(text string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(text, "d"); ok {
		days, err := strconv.Atoi(n)
		if err == nil && days > 0 && days <= 3650 {
			return time.Duration(days) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is not a positive number of days (30d) or a duration (36h)", text)
	}
	return d, nil
}

// examples opens the folder's log and reads the returns.
func (l *logFlags) examples(ctx context.Context, o engine.TrainingOptions) (rows []engine.TrainingRow, err error) {
	err = l.read(func(s store.Store) error {
		set, err := engine.TrainingRows(ctx, s, o)
		if err == nil {
			rows = set.Rows
		}
		return err
	})
	return rows, err
}

// read opens the folder for fn.
func (l *logFlags) read(fn func(store.Store) error) error {
	if err := holdsStore(l.store); err != nil {
		return err
	}
	s, err := badgerstore.Open(l.store, storeOptions(defaultNodeConfig(), engine.NewLedger(), nil))
	if err != nil {
		return err
	}
	return errors.Join(fn(s), s.Close())
}

func (a *app) trainCmd() *cobra.Command {
	var l logFlags
	var out string
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Learn the chance of another purchase after a return from the log",
		Long: `Train fits a regularised logistic regression to the returns in the log: the chance
of another purchase within --horizon of a return (the first of a customer's day),
from what was known at that moment. Returns whose window ends after --until, or
after the log, are left out: their outcome is not known yet.`,
		Example: "  rebound train --store ./store --currency GBP --until 2011-09-01 --out policies/models/baseline.rbm",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.parse(); err != nil {
				return err
			}
			examples, err := l.examples(cmd.Context(), l.options)
			if err != nil {
				return err
			}
			b, err := fitBaseline(examples, l.options.Horizon, nil)
			if err != nil {
				return fmt.Errorf("train: %w", err)
			}
			if err := b.write(out); err != nil {
				return err
			}
			return a.showModel(out)
		},
	}
	l.add(cmd, "learn from returns at or after (default: all)", "know nothing at or after (default: all)")
	cmd.Flags().StringVar(&out, "out", "", "artifact to write")
	cobra.CheckErr(cmd.MarkFlagRequired("out"))
	a.addCampaignTraining(cmd, &out, &l)
	return cmd
}

// write saves the artifact; the file is whole or not there.
func (b *baseline) write(path string, notes ...string) error {
	data, err := b.artifact(notes...)
	if err != nil {
		return err
	}
	return writeWhole(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

func (a *app) showModel(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	card, err := models.ReadCard(data)
	if err != nil {
		return fmt.Errorf("model %s: %w", path, err)
	}
	return a.print(card, func(w io.Writer) {
		row(w, "model", path)
		row(w, "digest", models.Digest(data))
		row(w, "kind", card.Kind, card.Learner)
		row(w, "settings", card.Settings)
		row(w, "outcome", card.Schema.Outcome, card.Schema.Unit)
		row(w, "features", len(card.Schema.Features))
		if t := card.Training; t != nil {
			row(w, "rows", t.Rows, t.From.Format(time.DateOnly)+" to "+t.To.Format(time.DateOnly))
		}
		for _, n := range card.Notes {
			row(w, "note", n)
		}
	})
}

func (a *app) evaluateCmd() *cobra.Command {
	var l logFlags
	var file string
	var seed uint64
	cmd := &cobra.Command{
		Use:   "evaluate",
		Short: "Judge a trained baseline on later returns",
		Long: `Evaluate predicts the returns of the log from --from on with a trained baseline and
compares it with a recency, frequency, value rule fitted to the returns whose
outcome was known by --from. Differences are paired; intervals draw whole customers.`,
		Example: "  rebound evaluate --store ./store --currency GBP --model policies/models/baseline.rbm --from 2011-09-01 --until 2011-11-09",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.parse(); err != nil {
				return err
			}
			if l.from == "" {
				return usageErrorf("--from: a time is needed")
			}
			c, err := l.compare(cmd.Context(), file, eval.Bootstrap{Seed: seed})
			if err != nil {
				return err
			}
			if a.format != "table" {
				return a.printData(c)
			}
			return errors.Join(c.First.WriteText(a.out), c.WriteText(a.out))
		},
	}
	l.add(cmd, "judge on returns at or after; the rule learns from what was known by then", "judge on returns before (default: all whose outcome is known)")
	cmd.Flags().StringVar(&file, "model", "", "artifact to judge")
	cmd.Flags().Uint64Var(&seed, "seed", 1, "of the bootstrap, and of learners where evaluate trains")
	a.addCampaignEvaluation(cmd, &file, &seed)
	return cmd
}

// compare judges the model beside the recency, frequency, value rule.
func (l *logFlags) compare(ctx context.Context, file string, b eval.Bootstrap) (eval.Comparison, error) {
	var none eval.Comparison
	data, err := os.ReadFile(file)
	if err != nil {
		return none, err
	}
	m, card, err := models.Open(data)
	if err != nil {
		return none, fmt.Errorf("model %s: %w", file, err)
	}
	if t := card.Training; t != nil && t.To.Add(l.options.Horizon).After(l.options.From) {
		return none, usageErrorf("model %s learned from returns until %s, whose outcomes reach past --from %s: judge on later returns",
			file, t.To.Format(time.DateOnly), l.options.From.Format(time.DateOnly))
	}
	all, err := l.examples(ctx, engine.TrainingOptions{Currency: l.options.Currency, Horizon: l.options.Horizon, Location: l.options.Location})
	if err != nil {
		return none, err
	}
	before, test := l.split(all)
	rule, err := fitBaseline(before, l.options.Horizon, rfv)
	if err != nil {
		return none, fmt.Errorf("recency, frequency, value rule: %w", err)
	}
	first, err := predict(ctx, m, test)
	if err != nil {
		return none, fmt.Errorf("model %s: %w", file, err)
	}
	second, err := predict(ctx, rule.model, test)
	if err != nil {
		return none, err
	}
	return eval.CompareBinary(eval.Prediction{Name: "baseline", P: first}, eval.Prediction{Name: "recency, frequency, value", P: second}, outcomes(test), b)
}

// split separates what was known by --from and what is judged.
func (l *logFlags) split(all []engine.TrainingRow) (before, test []engine.TrainingRow) {
	for _, e := range all {
		switch {
		case !e.At.Add(l.options.Horizon).After(l.options.From):
			before = append(before, e)
		case !e.At.Before(l.options.From) && (l.options.Until.IsZero() || e.At.Before(l.options.Until)):
			test = append(test, e)
		}
	}
	return before, test
}

func outcomes(examples []engine.TrainingRow) eval.Rows {
	var r eval.Rows
	ids := make([]string, len(examples))
	for i, e := range examples {
		y := 0.0
		if e.Purchased {
			y = 1
		}
		r.Outcome = append(r.Outcome, y)
		ids[i] = string(bytes.Clone(e.Customer[:]))
	}
	r.Cluster = eval.Clusters(ids)
	return r
}
