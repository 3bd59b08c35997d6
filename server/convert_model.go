package server

import (
	"strings"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/rebound-engine/rebound/engine"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

const rolePrefix = "MODEL_ROLE_"

func fromRole(r engine.ModelRole) pb.ModelRole {
	return pb.ModelRole(pb.ModelRole_value[rolePrefix+strings.ToUpper(string(r))])
}

func toRole(r pb.ModelRole) engine.ModelRole {
	return engine.ModelRole(strings.ToLower(strings.TrimPrefix(r.String(), rolePrefix)))
}

func fromModel(m *engine.RegisteredModel) *pb.Model {
	return &pb.Model{
		Outcome: m.Outcome, Digest: m.Digest, Name: m.Name, Role: fromRole(m.Role), Share: m.Share, Since: fromTime(m.Since),
		File: m.File, Bytes: int64(m.Bytes), Version: uint64(m.Version),
	}
}

func fromCareer(c *engine.Career) *pb.ModelChange {
	m := &pb.ModelChange{
		Digest: c.Digest, From: fromRole(c.From), To: fromRole(c.To), Share: c.Share, Time: fromTime(c.At),
		Actor: c.By, Reason: c.Reason, Displaced: c.Displaced, Rollback: c.Rollback, Position: uint64(c.Position),
	}
	if c.Evidence != nil {
		m.Evidence = fromEvidence(c.Evidence)
	}
	return m
}

func fromEvidence(e *engine.Evidence) *pb.ModelEvidence {
	m := &pb.ModelEvidence{
		From: fromTime(e.From), To: fromTime(e.To), Window: durationpb.New(e.Window), Decisions: int64(e.Rows), Against: e.Against,
		Gain:    &pb.Estimate{Value: e.Gain.Value, Lower: e.Gain.Lower, Upper: e.Gain.Upper},
		Covered: &pb.Estimate{Value: e.Covered.Value, Lower: e.Covered.Lower, Upper: e.Covered.Upper},
		Inputs:  fromShifts(e.Reads), Scores: fromShifts(e.Answers),
	}
	if c := e.Calibration; c != nil {
		m.Calibration = &pb.ModelCalibration{Predicted: c.Predicted, Observed: c.Observed, Alarm: c.Alarm, Words: c.Words}
	}
	return m
}

func fromShifts(ds []engine.Drift) []*pb.ModelShift {
	var out []*pb.ModelShift
	for _, d := range ds {
		out = append(out, &pb.ModelShift{Name: d.Name, Psi: d.PSI, Noise: d.Noise, Level: string(d.Level)})
	}
	return out
}

func fromModelDrift(d *engine.ModelDrift) *pb.GetModelDriftResponse {
	m := &pb.GetModelDriftResponse{
		Model: fromModel(&d.RegisteredModel), From: fromTime(d.From), To: fromTime(d.To), Decisions: int64(d.Rows),
		Inputs: fromShifts(d.Reads), Scores: fromShifts(d.Answers), Settled: int64(d.Settled),
	}
	if c := d.Calibration; c != nil {
		m.Calibration = &pb.ModelCalibration{Predicted: c.Predicted, Observed: c.Observed, Alarm: c.Alarm, Words: c.Words}
	}
	return m
}

func fromShadows(shadows []engine.ShadowScores) []*pb.ShadowScores {
	var out []*pb.ShadowScores
	for i := range shadows {
		s := &shadows[i]
		m := &pb.ShadowScores{Outcome: s.Outcome, Digest: s.Digest, Cause: s.Cause}
		for k := range s.Scores {
			x := &s.Scores[k]
			m.Scores = append(m.Scores, &pb.ShadowScore{OfferId: x.Offer, Without: x.Without, With: x.With, Lower: x.Lower, Upper: x.Upper})
		}
		out = append(out, m)
	}
	return out
}
