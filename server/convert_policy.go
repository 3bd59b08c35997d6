package server

import (
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/rules"
)

func fromStatus(s BundleStatus) *pb.BundleStatus {
	return &pb.BundleStatus{
		Digest: s.Digest, Name: s.Name, Version: int32(s.Version), Source: pb.BundleSource(s.Source),
		ActivatedAt: fromTime(s.At), Position: uint64(s.Position),
	}
}

func fromDiagnostics(found []rules.Diagnostic) []*pb.Diagnostic {
	out := make([]*pb.Diagnostic, len(found))
	for i := range found {
		out[i] = fromDiagnostic(&found[i])
	}
	return out
}

func fromDiagnostic(d *rules.Diagnostic) *pb.Diagnostic {
	m := &pb.Diagnostic{
		Severity: pb.Severity(d.Severity), Code: d.Code, Message: d.Message, Position: fromPosition(d.Position),
		Length: int32(d.Length), Snippet: d.Snippet, Expected: d.Expected, Nearest: d.Nearest, Help: d.Help,
	}
	for _, r := range d.Related {
		m.Related = append(m.Related, &pb.RelatedPosition{Position: fromPosition(r.Position), Message: r.Message})
	}
	return m
}

func fromPosition(p rules.Position) *pb.SourcePosition {
	return &pb.SourcePosition{File: p.File, Line: int32(p.Line), Column: int32(p.Column)}
}
