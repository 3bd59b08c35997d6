package server

import (
	"context"
	"errors"

	"google.golang.org/grpc"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/engine/profile"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// profileServer serves ProfileService.
type profileServer struct {
	pb.UnimplementedProfileServiceServer
	handlers
	profiles Profiles
}

// GetProfile implements ProfileServiceServer.
func (s *profileServer) GetProfile(ctx context.Context, m *pb.GetProfileRequest) (*pb.GetProfileResponse, error) {
	asOf, err := toTime(m.GetAsOf(), "as_of")
	if err != nil {
		return nil, err
	}
	p, err := s.profiles.Profile(ctx, toIdentity(m.GetCustomerId()), asOf)
	if err != nil {
		return nil, unknownCustomer(err, m.GetCustomerId())
	}
	return &pb.GetProfileResponse{Profile: fromProfile(p)}, nil
}

// unknownCustomer names a customer by the kind of its id alone: the id may be personal.
func unknownCustomer(err error, id *pb.CustomerId) error {
	return named(err, pb.ErrorReason_ERROR_REASON_PROFILE_NOT_FOUND, "profile", id.GetNamespace())
}

// PutProfiles implements ProfileServiceServer.
func (s *profileServer) PutProfiles(ctx context.Context, m *pb.PutProfilesRequest) (*pb.PutProfilesResponse, error) {
	in, err := toAttributes(m)
	if err != nil {
		return nil, err
	}
	results, err := s.profiles.Declare(ctx, in)
	if err != nil {
		return nil, err
	}
	out, position := fromResults(results, nil)
	return &pb.PutProfilesResponse{Results: out, Position: position}, nil
}

// ExportProfile implements ProfileServiceServer.
func (s *profileServer) ExportProfile(m *pb.ExportProfileRequest, stream grpc.ServerStreamingServer[pb.ExportProfileResponse]) error {
	id := toIdentity(m.GetCustomerId())
	p, err := s.profiles.Profile(stream.Context(), id, noTime)
	switch {
	case err == nil:
		if err := stream.Send(&pb.ExportProfileResponse{Item: &pb.ExportProfileResponse_Profile{Profile: fromProfile(p)}}); err != nil {
			return err
		}
	case !errors.Is(err, engine.ErrNotFound):
		return err
	}
	return s.profiles.Export(stream.Context(), id, func(e *profile.Event, d *engine.Decision) error {
		return stream.Send(exported(e, d))
	})
}

func exported(e *profile.Event, d *engine.Decision) *pb.ExportProfileResponse {
	switch {
	case d != nil:
		return &pb.ExportProfileResponse{Item: &pb.ExportProfileResponse_Decision{Decision: fromEntry(d)}}
	case e.Kind == profile.KindAttributes:
		return &pb.ExportProfileResponse{Item: &pb.ExportProfileResponse_Attributes{Attributes: fromAttributes(e)}}
	}
	return &pb.ExportProfileResponse{Item: &pb.ExportProfileResponse_Event{Event: fromEvent(e)}}
}

// EraseProfile implements ProfileServiceServer.
func (s *profileServer) EraseProfile(ctx context.Context, m *pb.EraseProfileRequest) (*pb.EraseProfileResponse, error) {
	at, err := s.profiles.Erase(ctx, toIdentity(m.GetCustomerId()), m.GetRequestId())
	if err != nil {
		return nil, unknownCustomer(err, m.GetCustomerId())
	}
	return &pb.EraseProfileResponse{Position: uint64(at)}, nil
}
