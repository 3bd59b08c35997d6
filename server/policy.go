package server

import (
	"context"
	"fmt"
	"slices"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/rules"
)

// policyServer serves PolicyService.
type policyServer struct {
	pb.UnimplementedPolicyServiceServer
	policies Policies
}

// ValidateBundle implements PolicyServiceServer.
func (s *policyServer) ValidateBundle(ctx context.Context, m *pb.ValidateBundleRequest) (*pb.ValidateBundleResponse, error) {
	files, err := toFiles(m.GetBundle())
	if err != nil {
		return nil, err
	}
	digest, found, err := s.policies.Validate(ctx, files)
	if err != nil {
		return nil, err
	}
	bad := slices.ContainsFunc(found, func(d rules.Diagnostic) bool { return d.Severity == rules.SeverityError })
	return &pb.ValidateBundleResponse{Valid: !bad, Digest: digest, Diagnostics: fromDiagnostics(found)}, nil
}

// toFiles refuses a path that comes twice: which of the two would count?
func toFiles(b *pb.Bundle) (map[string][]byte, error) {
	files := make(map[string][]byte, len(b.GetFiles()))
	for i, f := range b.GetFiles() {
		if _, twice := files[f.GetPath()]; twice {
			return nil, newBadRequest(fmt.Sprintf("bundle.files[%d].path", i), fmt.Sprintf("%q comes twice; send every file once", f.GetPath()))
		}
		files[f.GetPath()] = f.GetContent()
	}
	return files, nil
}

// ActivateBundle implements PolicyServiceServer.
func (s *policyServer) ActivateBundle(ctx context.Context, m *pb.ActivateBundleRequest) (*pb.ActivateBundleResponse, error) {
	files, err := toFiles(m.GetBundle())
	if err != nil {
		return nil, err
	}
	status, warnings, err := s.policies.Activate(ctx, &Change{RequestID: m.GetRequestId(), Expected: m.GetExpectedDigest(), Files: files})
	if err != nil {
		return nil, err
	}
	return &pb.ActivateBundleResponse{Status: fromStatus(status), PreviousDigest: status.Previous, Diagnostics: fromDiagnostics(warnings)}, nil
}

// RollbackBundle implements PolicyServiceServer.
func (s *policyServer) RollbackBundle(ctx context.Context, m *pb.RollbackBundleRequest) (*pb.RollbackBundleResponse, error) {
	status, err := s.policies.Rollback(ctx, &Change{RequestID: m.GetRequestId(), Expected: m.GetExpectedDigest(), Digest: m.GetDigest()})
	if err != nil {
		return nil, err
	}
	return &pb.RollbackBundleResponse{Status: fromStatus(status), PreviousDigest: status.Previous}, nil
}

// GetEffectivePolicy implements PolicyServiceServer.
func (s *policyServer) GetEffectivePolicy(ctx context.Context, m *pb.GetEffectivePolicyRequest) (*pb.GetEffectivePolicyResponse, error) {
	e, err := s.policies.Effective(ctx, m.GetScope())
	if err != nil {
		return nil, err
	}
	resp := &pb.GetEffectivePolicyResponse{Status: fromStatus(e.Status), ScopeChain: e.Chain, ScopeFallback: !e.Exact}
	for _, v := range e.Values {
		resp.Values = append(resp.Values, &pb.EffectiveValue{Path: v.Path, Value: v.Value, Scope: v.Scope, File: v.File, Line: int32(v.Line)})
	}
	return resp, nil
}
