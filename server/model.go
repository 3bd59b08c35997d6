package server

import (
	"context"
	"errors"
	"io"
	"strconv"

	"google.golang.org/grpc"

	"github.com/rebound-engine/rebound/engine"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/store"
)

// maxModelBytes bounds the file of a registered model.
const maxModelBytes = 64 << 20 // 64 MiB

// defaultModelPage is the size of a page of models where the caller names none.
const defaultModelPage = 100

// modelServer serves ModelService.
type modelServer struct {
	pb.UnimplementedModelServiceServer
	handlers
	models Models
}

// RegisterModel implements ModelServiceServer.
func (s *modelServer) RegisterModel(stream grpc.ClientStreamingServer[pb.RegisterModelRequest, pb.RegisterModelResponse]) error {
	r := new(engine.Registration)
	for first := true; ; first = false {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if first {
			r.Request, r.Outcome, r.File, r.Name, r.By = m.GetRequestId(), m.GetOutcome(), m.GetFile(), m.GetName(), m.GetActor()
		}
		if len(r.Content)+len(m.GetChunk()) > maxModelBytes {
			return newBadRequest("chunk", "the file is larger than 64 MiB")
		}
		r.Content = append(r.Content, m.GetChunk()...)
	}
	switch {
	case r.Request == "":
		return newBadRequest("request_id", "an id of the request is needed in the first message")
	case r.File == "":
		return newBadRequest("file", "the file's name is needed in the first message: its ending says what it is")
	case len(r.Content) == 0:
		return newBadRequest("chunk", "the file is empty")
	}
	c, err := s.models.RegisterModel(stream.Context(), r)
	if err != nil {
		return err
	}
	m, _, err := s.find(stream.Context(), c.Outcome, c.Digest)
	if err != nil {
		return err
	}
	return stream.SendAndClose(&pb.RegisterModelResponse{Model: fromModel(m)})
}

// ListModels implements ModelServiceServer. Models are only ever added: a page
// token is the number of those shown.
func (s *modelServer) ListModels(ctx context.Context, m *pb.ListModelsRequest) (*pb.ListModelsResponse, error) {
	all, err := s.models.Models(ctx, m.GetOutcome())
	if err != nil {
		return nil, err
	}
	start := 0
	if m.GetPageToken() != "" {
		if start, err = strconv.Atoi(m.GetPageToken()); err != nil || start < 0 || start > len(all) {
			return nil, engine.ErrPageToken
		}
	}
	size := int(m.GetPageSize())
	if size == 0 {
		size = defaultModelPage
	}
	resp, end := new(pb.ListModelsResponse), min(start+size, len(all))
	for i := start; i < end; i++ {
		resp.Models = append(resp.Models, fromModel(&all[i]))
	}
	if end < len(all) {
		resp.NextPageToken = strconv.Itoa(end)
	}
	return resp, nil
}

// GetModel implements ModelServiceServer.
func (s *modelServer) GetModel(ctx context.Context, m *pb.GetModelRequest) (*pb.GetModelResponse, error) {
	found, card, err := s.find(ctx, m.GetOutcome(), m.GetDigest())
	if err != nil {
		return nil, err
	}
	resp := &pb.GetModelResponse{Model: fromModel(found), CardJson: card}
	for i := range found.Career {
		resp.Career = append(resp.Career, fromCareer(&found.Career[i]))
	}
	return resp, nil
}

// find returns a model with its card as JSON.
func (s *modelServer) find(ctx context.Context, outcome, digest string) (*engine.RegisteredModel, string, error) {
	found, card, err := s.models.Model(ctx, outcome, digest)
	return found, card, namedModel(err, digest)
}

// namedModel says which model was not found.
func namedModel(err error, digest string) error {
	if errors.Is(err, engine.ErrModelUnknown) {
		return &notFoundError{pb.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND, "model", digest}
	}
	return err
}

// EvaluateModel implements ModelServiceServer.
func (s *modelServer) EvaluateModel(m *pb.EvaluateModelRequest, stream grpc.ServerStreamingServer[pb.EvaluateModelResponse]) error {
	ctx, watch := watched(stream.Context(), func(read int64) error { return stream.Send(&pb.EvaluateModelResponse{Read: read}) })
	e, err := s.models.ModelEvidence(ctx, m.GetOutcome(), m.GetDigest(), watch.progress)
	if err != nil {
		return namedModel(err, m.GetDigest())
	}
	return stream.Send(&pb.EvaluateModelResponse{Read: watch.read, Evidence: fromEvidence(e)})
}

// PromoteModel implements ModelServiceServer.
func (s *modelServer) PromoteModel(m *pb.PromoteModelRequest, stream grpc.ServerStreamingServer[pb.PromoteModelResponse]) error {
	if (m.GetRole() == pb.ModelRole_MODEL_ROLE_CHALLENGER) != (m.GetShare() > 0) {
		return newBadRequest("share", "a challenger needs a share above 0 and below 1, nobody else has one")
	}
	ctx, watch := watched(stream.Context(), func(read int64) error { return stream.Send(&pb.PromoteModelResponse{Read: read}) })
	c, err := s.models.PromoteModel(ctx, &engine.ModelChange{
		Outcome: m.GetOutcome(), Digest: m.GetDigest(), To: toRole(m.GetRole()), Share: m.GetShare(),
		Expect: store.Position(m.GetExpectedVersion()), By: m.GetActor(), Reason: m.GetReason(), Request: m.GetRequestId(),
	}, watch.progress)
	if err != nil {
		return namedModel(err, m.GetDigest())
	}
	found, _, err := s.find(ctx, c.Outcome, c.Digest)
	if err != nil {
		return err
	}
	return stream.Send(&pb.PromoteModelResponse{Read: watch.read, Model: fromModel(found), Change: fromCareer(c)})
}

// watching tells a caller how far it is; a caller who has gone ends the work.
type watching struct {
	read int64
	send func(read int64) error
	stop context.CancelCauseFunc
}

func watched(ctx context.Context, send func(read int64) error) (context.Context, *watching) {
	ctx, stop := context.WithCancelCause(ctx)
	return ctx, &watching{send: send, stop: stop}
}

func (w *watching) progress(read int) {
	w.read = int64(read)
	if err := w.send(w.read); err != nil {
		w.stop(err)
	}
}

// RollbackModel implements ModelServiceServer.
func (s *modelServer) RollbackModel(ctx context.Context, m *pb.RollbackModelRequest) (*pb.RollbackModelResponse, error) {
	c, err := s.models.RollbackModel(ctx, &engine.ModelChange{
		Outcome: m.GetOutcome(), Expect: store.Position(m.GetExpectedVersion()), By: m.GetActor(), Reason: m.GetReason(), Request: m.GetRequestId(),
	})
	if err != nil {
		return nil, err
	}
	found, _, err := s.find(ctx, c.Outcome, c.Digest)
	if err != nil {
		return nil, err
	}
	return &pb.RollbackModelResponse{Model: fromModel(found), Change: fromCareer(c)}, nil
}

// GetModelDrift implements ModelServiceServer.
func (s *modelServer) GetModelDrift(ctx context.Context, m *pb.GetModelDriftRequest) (*pb.GetModelDriftResponse, error) {
	d, err := s.models.ModelDrift(ctx, m.GetOutcome(), m.GetDigest())
	if err != nil {
		return nil, namedModel(err, m.GetDigest())
	}
	return fromModelDrift(d), nil
}
