package main

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rebound-engine/rebound/internal/live"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/foreign"
)

// conversion is `rebound model convert`.
type conversion struct {
	app                              *app
	file, out, outcome, unit, window string
	output                           string
	offers                           []string
}

func (a *app) modelConvertCmd() *cobra.Command {
	c := &conversion{app: a}
	cmd := &cobra.Command{
		Use:   "convert FILE --out MODEL.rbm",
		Short: "Turn a model file of another library into a native artifact",
		Long: `Convert writes the trees of a LightGBM, XGBoost or CatBoost file as an artifact
with a model card. It predicts the same bits. Inputs named offer.* describe offers:
with them the artifact scores offers, without any it is a baseline. What is more than
a sum of trees is refused; such a file can be served as it is.`,
		Example: "  rebound model convert booster.txt --out policies/models/purchase.rbm --window 30d",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, arg []string) error {
			c.file = arg[0]
			return c.run()
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.out, "out", "", "artifact to write")
	f.StringVar(&c.outcome, "outcome", "purchase", "what the model predicts, for the card")
	f.StringVar(&c.unit, "unit", "probability", "of the outcome: probability, count or money")
	f.StringVar(&c.window, "window", "", "of the outcome after the decision, e.g. 30d")
	f.StringVar(&c.output, "prediction", "", "which output of the file (default: the only number, or the chance of the second class)")
	f.StringSliceVar(&c.offers, "offers", nil, "offers whose inputs are prepared once; others are scored too")
	cobra.CheckErr(cmd.MarkFlagRequired("out"))
	return cmd
}

func (c *conversion) run() error {
	schema, err := c.schema()
	if err != nil {
		return err
	}
	data, err := os.ReadFile(c.file)
	if err != nil {
		return err
	}
	if models.IsArtifact(data) {
		return usageErrorf("%s is an artifact already", c.file)
	}
	m, err := foreign.Open(c.file, data)
	if err != nil {
		return err
	}
	artifact, err := c.convert(m, schema, models.Card{
		Name: filepath.Base(c.file), Learner: string(m.Format()), Settings: fmt.Sprintf("%d trees", m.Trees()),
		Notes:     []string{fmt.Sprintf("converted from %s, SHA-256 %x", filepath.Base(c.file), sha256.Sum256(data))},
		CreatedBy: "rebound " + readBuildInfo().Version,
	})
	if err != nil {
		return fmt.Errorf("convert model %s: %w", c.file, err)
	}
	err = writeWhole(c.out, func(w io.Writer) error {
		_, err := w.Write(artifact)
		return err
	})
	if err != nil {
		return err
	}
	return c.app.showModel(c.out)
}

func (c *conversion) schema() (s models.Schema, err error) {
	if !slices.Contains([]string{"probability", "count", "money"}, c.unit) {
		return s, usageErrorf("--unit %s: give probability, count or money", c.unit)
	}
	s = models.Schema{Outcome: c.outcome, Unit: c.unit, Offers: c.offers}
	if c.window != "" {
		if s.Window, err = parseDays(c.window); err != nil {
			return s, usageErrorf("--window: %w", err)
		}
	}
	return s, nil
}

// convert encodes what the file predicts, and opens it again to be sure of it.
func (c *conversion) convert(m *foreign.Model, schema models.Schema, card models.Card) ([]byte, error) {
	output := c.output
	if output == "" {
		var err error
		if output, err = live.PredictedOutput(m.Outputs()); err != nil {
			return nil, fmt.Errorf("%w: choose with --prediction", err)
		}
	}
	adapter, err := live.AdaptForeign(m, output, schema)
	if err != nil {
		return nil, err
	}
	data, err := models.Encode(adapter, card)
	if errors.Is(err, models.ErrNotPortable) {
		return nil, fmt.Errorf("%w: %s; a bundle can serve the file as it is", foreign.ErrUnsupported, cmp.Or(m.Beyond(), strings.TrimSpace(err.Error())))
	}
	if err != nil {
		return nil, err
	}
	_, _, err = models.Open(data)
	return data, err
}
