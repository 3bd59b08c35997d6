package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rebound-engine/rebound/models"
	modelv1 "github.com/rebound-engine/rebound/proto/rebound/model/v1"
)

// What both sides must know before they speak gRPC. A process that is started
// without the cookie in its environment was not started by Rebound.
const (
	ProtocolVersion  = 1
	MagicCookieKey   = "REBOUND_MODEL_PLUGIN"
	MagicCookieValue = "b1c7a4f2-score"
)

func handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{ProtocolVersion: ProtocolVersion, MagicCookieKey: MagicCookieKey, MagicCookieValue: MagicCookieValue}
}

// pluginName is the only plugin of a process.
const pluginName = "model"

// contract is both sides of the plugin for go-plugin.
type contract struct {
	plugin.NetRPCUnsupportedPlugin
	model models.Model // on the side of the process
}

// GRPCServer registers the model in the process.
func (c *contract) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	modelv1.RegisterModelPluginServiceServer(s, &service{model: c.model})
	return nil
}

// connection is what the side of the engine gets: gone is closed when the process ends.
type connection struct {
	client modelv1.ModelPluginServiceClient
	gone   <-chan struct{}
}

// GRPCClient makes the engine's side.
func (c *contract) GRPCClient(done context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return &connection{client: modelv1.NewModelPluginServiceClient(conn), gone: done.Done()}, nil
}

// Serve makes a Go program a model process: it is all that main does. It
// returns when Rebound ends the process.
func Serve(m models.Model) {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: handshake(),
		Plugins:         plugin.PluginSet{pluginName: &contract{model: m}},
		GRPCServer:      plugin.DefaultGRPCServer,
		Logger:          hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr}),
	})
}

// service answers for a model.
type service struct {
	modelv1.UnimplementedModelPluginServiceServer
	model models.Model
}

// Describe says what the model reads and answers.
func (s *service) Describe(context.Context, *modelv1.DescribeRequest) (*modelv1.DescribeResponse, error) {
	schema := s.model.Schema()
	return &modelv1.DescribeResponse{
		Outcome: schema.Outcome, Unit: schema.Unit,
		Features: describe(schema.Features), OfferFeatures: describe(schema.OfferFeatures),
	}, nil
}

func describe(features []models.Feature) []*modelv1.Feature {
	var out []*modelv1.Feature
	for _, f := range features {
		out = append(out, &modelv1.Feature{Name: f.Name, Levels: f.Levels})
	}
	return out
}

// Score asks the model.
func (s *service) Score(ctx context.Context, r *modelv1.ScoreRequest) (*modelv1.ScoreResponse, error) {
	schema := s.model.Schema()
	cands := make([]models.Candidate, len(r.GetCandidates()))
	for i, c := range r.GetCandidates() {
		cands[i] = models.Candidate{Arm: slices.Index(schema.Offers, c.GetOffer()), X: c.GetX()}
	}
	out := make([]models.Score, len(cands))
	if err := s.model.Score(ctx, r.GetX(), cands, out); err != nil {
		code := codes.Internal
		if errors.Is(err, models.ErrUnscorable) {
			code = codes.FailedPrecondition
		}
		return nil, status.Error(code, err.Error())
	}
	a := &modelv1.ScoreResponse{}
	for _, s := range out {
		a.Scores = append(a.Scores, &modelv1.Score{Without: s.Without, With: s.With, Lower: s.Lower, Upper: s.Upper})
	}
	return a, nil
}

// ErrMismatch is wrapped where a process describes its model otherwise than the descriptor does.
var ErrMismatch = errors.New("the process describes its model otherwise")

// compare reports where a description and the schema of the descriptor disagree.
func compare(s *models.Schema, d *modelv1.DescribeResponse) error {
	var found []error
	if d.GetOutcome() != s.Outcome {
		found = append(found, fmt.Errorf("it predicts %q, the descriptor says %q", d.GetOutcome(), s.Outcome))
	}
	if d.GetUnit() != s.Unit {
		found = append(found, fmt.Errorf("it answers in the unit %q, the descriptor says %q", d.GetUnit(), s.Unit))
	}
	found = append(found, compareFeatures("features", s.Features, d.GetFeatures()), compareFeatures("offer_features", s.OfferFeatures, d.GetOfferFeatures()))
	if err := errors.Join(found...); err != nil {
		return fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	return nil
}

func compareFeatures(what string, want []models.Feature, have []*modelv1.Feature) error {
	if len(want) != len(have) {
		return fmt.Errorf("%s: it reads %d, the descriptor lists %d", what, len(have), len(want))
	}
	for i, f := range want {
		if h := have[i]; h.GetName() != f.Name || !slices.Equal(h.GetLevels(), f.Levels) {
			return fmt.Errorf("%s: place %d is %q %q, in the descriptor %q %q", what, i, h.GetName(), h.GetLevels(), f.Name, f.Levels)
		}
	}
	return nil
}
