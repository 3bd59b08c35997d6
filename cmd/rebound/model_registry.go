package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// registryCmds are the verbs about registered models.
func (a *app) registryCmds() []*cobra.Command {
	return []*cobra.Command{a.modelRegisterCmd(), a.modelListCmd(), a.modelPromoteCmd(), a.modelRollbackCmd(), a.modelDriftCmd()}
}

// modelChunk is the size of the pieces a model file is sent in.
const modelChunk = 1 << 20 // 1 MiB

func (a *app) modelRegisterCmd() *cobra.Command {
	first := &pb.RegisterModelRequest{}
	cmd := &cobra.Command{
		Use:   "register FILE",
		Short: "Make a model file known to a server",
		Long: `Register keeps a model file in the commit log and makes the model known. It decides
nothing until it is promoted. The file is a native artifact or one of LightGBM,
XGBoost, CatBoost or ONNX; it must fit the bundle in force.`,
		Example: "  rebound model register champion.rbm --outcome purchase --by ann",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, arg []string) error {
			data, err := os.ReadFile(arg[0])
			if err != nil {
				return err
			}
			first.RequestId, first.File = requestID(first.GetRequestId()), filepath.Base(arg[0])
			return a.withServer(cmd.Context(), func(s *session) error {
				m, err := s.registerModel(cmd.Context(), first, data)
				if err != nil {
					return err
				}
				return a.print(m, func(w io.Writer) { modelTable(w, []*pb.Model{m}) })
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&first.Outcome, "outcome", "", "outcome of the policies it predicts (default: what an artifact says itself)")
	f.StringVar(&first.Name, "name", "", "for people (default: the file's name)")
	f.StringVar(&first.Actor, "by", "", "who registers it")
	f.StringVar(&first.RequestId, "request-id", "", "id of the change; repeating it changes nothing (default: a new one)")
	a.stateFlags(cmd)
	return cmd
}

// registerModel sends a file in pieces.
func (s *session) registerModel(ctx context.Context, first *pb.RegisterModelRequest, data []byte) (*pb.Model, error) {
	stream, err := s.Models.RegisterModel(ctx)
	if err != nil {
		return nil, err
	}
	for chunk := range slices.Chunk(data, modelChunk) {
		first.Chunk = chunk
		if err := stream.Send(first); errors.Is(err, io.EOF) {
			break // the answer says why
		} else if err != nil {
			return nil, err
		}
		first = &pb.RegisterModelRequest{}
	}
	resp, err := stream.CloseAndRecv()
	return resp.GetModel(), err
}

func (a *app) modelListCmd() *cobra.Command {
	var outcome string
	cmd := &cobra.Command{
		Use:   "list [DIGEST]",
		Short: "List registered models, or show the career of one",
		Args:  args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, arg []string) error {
			return a.withServer(cmd.Context(), func(s *session) error {
				if len(arg) == 1 {
					m, err := s.Models.GetModel(cmd.Context(), &pb.GetModelRequest{Outcome: outcome, Digest: arg[0]})
					if err != nil {
						return err
					}
					return a.print(m, func(w io.Writer) { careerTable(w, m) })
				}
				all, err := s.listModels(cmd.Context(), outcome)
				if err != nil {
					return err
				}
				return a.print(all, func(w io.Writer) { modelTable(w, all.GetModels()) })
			})
		},
	}
	cmd.Flags().StringVar(&outcome, "outcome", "", "only models of this outcome")
	a.stateFlags(cmd)
	return cmd
}

func (s *session) listModels(ctx context.Context, outcome string) (*pb.ListModelsResponse, error) {
	all := &pb.ListModelsResponse{}
	for token := ""; ; {
		page, err := s.Models.ListModels(ctx, &pb.ListModelsRequest{Outcome: outcome, PageSize: 1000, PageToken: token})
		if err != nil {
			return nil, err
		}
		all.Models = append(all.Models, page.GetModels()...)
		if token = page.GetNextPageToken(); token == "" {
			return all, nil
		}
	}
}

func (a *app) modelPromoteCmd() *cobra.Command {
	req := &pb.PromoteModelRequest{}
	var to string
	var dry bool
	cmd := &cobra.Command{
		Use:   "promote DIGEST --to ROLE",
		Short: "Give a registered model another role",
		Long: `Promote moves a model along its career, from the next decision on:

  shadow       scores every decision; the scores are logged and not used
  challenger   decides --share of the customers
  champion     decides for everybody else, instead of the policies' own model
  retired      is not asked any more

A challenger or champion has to be proved on the journal: the lower bound of what it
adds per decision, against what decides now. What is missing is listed and nothing
changes; --dry-run shows the figures alone. There is no way around the proof.`,
		Example: "  rebound model promote 9f2c --to shadow --by ann\n  rebound model promote 9f2c --to challenger --share 0.1 --by ann\n  rebound model promote 9f2c --dry-run",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, arg []string) error {
			req.Digest, req.RequestId = arg[0], requestID(req.GetRequestId())
			if dry {
				return a.evaluateModel(cmd, &pb.EvaluateModelRequest{Outcome: req.GetOutcome(), Digest: arg[0]})
			}
			role, err := roleOf(to)
			if err != nil {
				return err
			}
			req.Role = role
			return a.promoteModel(cmd, req)
		},
	}
	f := cmd.Flags()
	f.StringVar(&to, "to", "", "shadow, challenger, champion or retired")
	f.Float64Var(&req.Share, "share", 0, "with --to challenger: share of the customers, e.g. 0.1")
	f.BoolVar(&dry, "dry-run", false, "show what the journal says of the model and change nothing")
	f.StringVar(&req.Outcome, "outcome", "", "where a file is registered for several outcomes")
	changeModelFlags(cmd, &req.ExpectedVersion, &req.RequestId, &req.Actor, &req.Reason)
	cmd.MarkFlagsOneRequired("to", "dry-run")
	cmd.MarkFlagsMutuallyExclusive("to", "dry-run")
	a.stateFlags(cmd)
	return cmd
}

func changeModelFlags(cmd *cobra.Command, version *uint64, request, by, reason *string) {
	f := cmd.Flags()
	f.Uint64Var(version, "expect", 0, "version the models of the outcome must have; with another one nothing changes")
	f.StringVar(request, "request-id", "", "id of the change; repeating it changes nothing (default: a new one)")
	f.StringVar(by, "by", "", "who asks")
	f.StringVar(reason, "reason", "", "why")
}

// roleWord is a role as people write it.
func roleWord(r pb.ModelRole) string { return strings.ToLower(enumWord(r.String(), "MODEL_ROLE_")) }

func roleOf(word string) (pb.ModelRole, error) {
	for _, r := range []pb.ModelRole{pb.ModelRole_MODEL_ROLE_SHADOW, pb.ModelRole_MODEL_ROLE_CHALLENGER, pb.ModelRole_MODEL_ROLE_CHAMPION, pb.ModelRole_MODEL_ROLE_RETIRED} {
		if roleWord(r) == word {
			return r, nil
		}
	}
	return 0, usageErrorf("--to %s: give shadow, challenger, champion or retired", word)
}

func (a *app) promoteModel(cmd *cobra.Command, req *pb.PromoteModelRequest) error {
	return a.withServer(cmd.Context(), func(s *session) error {
		stream, err := s.Models.PromoteModel(cmd.Context(), req)
		if err != nil {
			return err
		}
		resp, err := lastMessage(stream.Recv)
		if err != nil {
			return err
		}
		return a.print(resp, func(w io.Writer) { changeTable(w, resp.GetModel(), resp.GetChange()) })
	})
}

func (a *app) evaluateModel(cmd *cobra.Command, req *pb.EvaluateModelRequest) error {
	return a.withServer(cmd.Context(), func(s *session) error {
		stream, err := s.Models.EvaluateModel(cmd.Context(), req)
		if err != nil {
			return err
		}
		resp, err := lastMessage(stream.Recv)
		if err != nil {
			return err
		}
		return a.print(resp.GetEvidence(), func(w io.Writer) { evidenceTable(w, resp.GetEvidence()) })
	})
}

// lastMessage reads a stream of progress to its result.
func lastMessage[T any](recv func() (*T, error)) (result *T, err error) {
	for {
		next, err := recv()
		if errors.Is(err, io.EOF) && result != nil {
			return result, nil
		}
		if err != nil {
			return nil, err
		}
		result = next
	}
}

func (a *app) modelRollbackCmd() *cobra.Command {
	req := &pb.RollbackModelRequest{}
	cmd := &cobra.Command{
		Use:   "rollback OUTCOME",
		Short: "Let the champion before decide again",
		Long: `Rollback takes the champion of an outcome away, from the next decision on, without any
proof: the champion before decides again; before the first one, the policies' own model.`,
		Example: "  rebound model rollback purchase --by ann --reason 'calibration alarm'",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, arg []string) error {
			req.Outcome, req.RequestId = arg[0], requestID(req.GetRequestId())
			return a.withServer(cmd.Context(), func(s *session) error {
				resp, err := s.Models.RollbackModel(cmd.Context(), req)
				if err != nil {
					return err
				}
				return a.print(resp, func(w io.Writer) { changeTable(w, resp.GetModel(), resp.GetChange()) })
			})
		},
	}
	changeModelFlags(cmd, &req.ExpectedVersion, &req.RequestId, &req.Actor, &req.Reason)
	a.stateFlags(cmd)
	return cmd
}

func (a *app) modelDriftCmd() *cobra.Command {
	req := &pb.GetModelDriftRequest{}
	cmd := &cobra.Command{
		Use:   "drift DIGEST",
		Short: "Show how far the world has moved since a model was trained",
		Long: `Drift compares the inputs and scores of the newest decisions with those of the model's
training (population stability index), and its chances with what came of them.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, arg []string) error {
			req.Digest = arg[0]
			return a.withServer(cmd.Context(), func(s *session) error {
				resp, err := s.Models.GetModelDrift(cmd.Context(), req)
				if err != nil {
					return err
				}
				return a.print(resp, func(w io.Writer) { driftTable(w, resp) })
			})
		},
	}
	cmd.Flags().StringVar(&req.Outcome, "outcome", "", "where a file is registered for several outcomes")
	a.stateFlags(cmd)
	return cmd
}

func modelTable(w io.Writer, models []*pb.Model) {
	row(w, "OUTCOME", "ROLE", "SHARE", "DIGEST", "NAME", "SINCE", "BYTES", "VERSION")
	for _, m := range models {
		row(w, m.GetOutcome(), roleWord(m.GetRole()), shareText(m.GetShare()), shortDigest(m.GetDigest()), m.GetName(),
			m.GetSince().AsTime().Format(time.RFC3339), m.GetBytes(), m.GetVersion())
	}
}

func shareText(share float64) string {
	if share == 0 {
		return "-"
	}
	return fmt.Sprintf("%g", share)
}

func shortDigest(d string) string { return d[:min(len(d), 12)] }

func careerTable(w io.Writer, r *pb.GetModelResponse) {
	m := r.GetModel()
	row(w, "model", m.GetName())
	row(w, "digest", m.GetDigest())
	row(w, "outcome", m.GetOutcome())
	row(w, "file", m.GetFile(), fmt.Sprintf("%d bytes", m.GetBytes()))
	row(w, "role", roleWord(m.GetRole()), shareText(m.GetShare()))
	row(w, "version", m.GetVersion())
	row(w, "TIME", "WHAT", "BY", "REASON", "GAIN PER DECISION")
	for _, c := range r.GetCareer() {
		gain := ""
		if e := c.GetEvidence(); e != nil && c.GetDigest() == m.GetDigest() {
			gain = fmt.Sprintf("%s against the %s on %d decisions", estimateText(e.GetGain()), e.GetAgainst(), e.GetDecisions())
		}
		row(w, c.GetTime().AsTime().Format(time.RFC3339), changeText(m, c), c.GetActor(), c.GetReason(), gain)
	}
}

// changeText says what a change did to a model.
func changeText(m *pb.Model, c *pb.ModelChange) string {
	role := roleWord(c.GetTo())
	switch {
	case c.GetDigest() != m.GetDigest():
		return fmt.Sprintf("retired for %s", shortDigest(c.GetDigest()))
	case c.GetRollback() && c.GetTo() == pb.ModelRole_MODEL_ROLE_RETIRED:
		return "rolled back: the policies decide"
	case c.GetRollback():
		return "champion again, rolled back to"
	case c.GetShare() > 0:
		return fmt.Sprintf("%s of %g", role, c.GetShare())
	}
	return role
}

func estimateText(e *pb.Estimate) string {
	return fmt.Sprintf("%.4g (%.4g to %.4g)", e.GetValue(), e.GetLower(), e.GetUpper())
}

func changeTable(w io.Writer, m *pb.Model, c *pb.ModelChange) {
	row(w, "model", m.GetName(), shortDigest(m.GetDigest()))
	row(w, "outcome", m.GetOutcome())
	row(w, "now", changeText(m, c))
	row(w, "version", m.GetVersion())
	if c.GetDisplaced() != "" {
		row(w, "retired", shortDigest(c.GetDisplaced()))
	}
	if c.GetEvidence() != nil {
		evidenceTable(w, c.GetEvidence())
	}
}

func evidenceTable(w io.Writer, e *pb.ModelEvidence) {
	row(w, "decisions", e.GetDecisions(), fmt.Sprintf("%s to %s", e.GetFrom().AsTime().Format(time.DateOnly), e.GetTo().AsTime().Format(time.DateOnly)))
	row(w, "gain per decision", estimateText(e.GetGain()), "against the "+e.GetAgainst())
	row(w, "known to the journal", estimateText(e.GetCovered()))
	if e.GetCalibration() != nil {
		row(w, "calibration", e.GetCalibration().GetWords())
	}
	shiftTable(w, "score", e.GetScores())
	shiftTable(w, "input", slices.DeleteFunc(slices.Clone(e.GetInputs()), func(s *pb.ModelShift) bool { return s.GetLevel() == "stable" }))
}

func driftTable(w io.Writer, d *pb.GetModelDriftResponse) {
	row(w, "model", d.GetModel().GetName(), shortDigest(d.GetModel().GetDigest()))
	row(w, "decisions", d.GetDecisions(), fmt.Sprintf("%s to %s", d.GetFrom().AsTime().Format(time.DateOnly), d.GetTo().AsTime().Format(time.DateOnly)))
	if d.GetCalibration() != nil {
		row(w, "calibration", d.GetCalibration().GetWords(), fmt.Sprintf("(%d decisions)", d.GetSettled()))
	}
	if len(d.GetScores())+len(d.GetInputs()) == 0 {
		row(w, "training", "the file does not say how inputs and scores were distributed")
	}
	shiftTable(w, "score", d.GetScores())
	shiftTable(w, "input", d.GetInputs())
}

// shiftTable lists what has moved, the farthest first.
func shiftTable(w io.Writer, kind string, shifts []*pb.ModelShift) {
	sorted := slices.SortedStableFunc(slices.Values(shifts), func(a, b *pb.ModelShift) int {
		switch {
		case a.GetPsi() > b.GetPsi():
			return -1
		case a.GetPsi() < b.GetPsi():
			return 1
		}
		return 0
	})
	for _, s := range sorted {
		row(w, kind+" "+s.GetName(), fmt.Sprintf("PSI %.3f", s.GetPsi()), s.GetLevel())
	}
}
