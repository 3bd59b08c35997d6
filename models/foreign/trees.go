package foreign

import (
	"fmt"
	"sync"

	"github.com/rebound-engine/rebound/models"
)

// treeProgram runs an ensemble.
type treeProgram struct {
	scorer      *models.Scorer
	perRound    int       // trees per boosting round, at least 1
	leafIDs     [][]int32 // per tree: the library's number of each leaf; nil if the same
	bothClasses bool      // predict 1-p beside p
	// extend computes the ensemble's inputs from the row; nil if they are the row.
	extend    func(row []float64) ([]float64, error)
	explainer func() (*models.TreeExplainer, error)
}

// newTreeProgram validates and compiles e.
func newTreeProgram(e *models.Ensemble, perRound int) (*treeProgram, error) {
	scorer, err := models.NewScorer(e)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return &treeProgram{
		scorer:    scorer,
		perRound:  max(1, perRound),
		explainer: sync.OnceValues(func() (*models.TreeExplainer, error) { return models.NewTreeExplainer(e) }),
	}, nil
}

// model wraps the program with the names of its outputs.
func (p *treeProgram) model(format Format) *Model {
	e := p.scorer.Ensemble()
	n := e.Predictions()
	if p.bothClasses {
		n = 2
	}
	return &Model{format: format, features: e.Features, outputs: columnNames("pred", n), program: p}
}

func (p *treeProgram) rawOutputs() int { return p.scorer.Ensemble().Outputs }

func (p *treeProgram) fullRow(row []float64) ([]float64, error) {
	if p.extend == nil {
		return row, nil
	}
	return p.extend(row)
}

func (p *treeProgram) raw(row, out []float64) error {
	full, err := p.fullRow(row)
	if err != nil {
		return err
	}
	p.scorer.Raw(full, out)
	return nil
}

func (p *treeProgram) predict(row, out []float64) error {
	e := p.scorer.Ensemble()
	if len(out) >= e.Outputs {
		if err := p.raw(row, out); err != nil {
			return err
		}
		e.ApplyLink(out)
	} else {
		all := make([]float64, e.Outputs)
		if err := p.raw(row, all); err != nil {
			return err
		}
		e.ApplyLink(all)
		copy(out, all[:e.Predictions()])
	}
	if p.bothClasses {
		out[0], out[1] = 1-out[0], out[0]
	}
	return nil
}

func (p *treeProgram) leaves(row []float64, leaves []int) error {
	full, err := p.fullRow(row)
	if err != nil {
		return err
	}
	p.scorer.FindLeaves(full, leaves)
	for t, ids := range p.leafIDs {
		leaves[t] = int(ids[leaves[t]])
	}
	return nil
}

func (p *treeProgram) contributions(row, contrib []float64) error {
	explainer, err := p.explainer()
	if err != nil {
		return fmt.Errorf("contributions: %w: %w", ErrNotProvided, err)
	}
	explainer.Contributions(row, contrib)
	return nil
}
