package remote

import (
	"context"
	"errors"
	"fmt"

	"github.com/rebound-engine/rebound/proto/inference"
	"google.golang.org/grpc"
)

// ErrMismatch is wrapped where the server describes the model otherwise than
// the descriptor does.
var ErrMismatch = errors.New("the server describes the model otherwise")

// Check asks the server whether the model is ready and what it reads and
// answers. An error that wraps ErrMismatch needs another descriptor; any other
// may pass by itself. Servers that describe nothing are believed.
func (m *Model) Check(ctx context.Context) error {
	c := inference.NewGRPCInferenceServiceClient(m.conn.Load())
	name, version := m.config.Model, m.config.Version
	ready, err := c.ModelReady(ctx, &inference.ModelReadyRequest{Name: name, Version: version}, grpc.WaitForReady(true))
	if err != nil {
		return fmt.Errorf("remote model %s: ask whether it is ready: %w", name, err)
	}
	if !ready.GetReady() {
		return fmt.Errorf("remote model %s: the server is up and the model is not ready", name)
	}
	meta, err := c.ModelMetadata(ctx, &inference.ModelMetadataRequest{Name: name, Version: version})
	if err != nil {
		return fmt.Errorf("remote model %s: ask what it reads: %w", name, err)
	}
	if err := m.compare(meta); err != nil {
		return fmt.Errorf("remote model %s: %w: %w", name, ErrMismatch, err)
	}
	return nil
}

func (m *Model) compare(meta *inference.ModelMetadataResponse) error {
	var found []error
	sent := map[string]bool{}
	for i := range m.plan.tensors {
		t := &m.plan.tensors[i]
		sent[t.name] = true
		found = append(found, t.compare(meta.GetInputs()))
	}
	for _, in := range meta.GetInputs() {
		if !sent[in.GetName()] {
			found = append(found, fmt.Errorf("it reads an input %s (%s), which the descriptor lacks", in.GetName(), in.GetDatatype()))
		}
	}
	if len(meta.GetOutputs()) > 0 {
		for _, o := range []*Output{&m.config.Output, m.config.Lower, m.config.Upper} {
			if o != nil && find(meta.GetOutputs(), o.Name) == nil {
				found = append(found, fmt.Errorf("it answers no output %s", o.Name))
			}
		}
	}
	return errors.Join(found...)
}

func (t *tensor) compare(inputs []*inference.ModelMetadataResponse_TensorMetadata) error {
	if len(inputs) == 0 {
		return nil
	}
	in := find(inputs, t.name)
	if in == nil {
		return fmt.Errorf("it reads no input %s", t.name)
	}
	if in.GetDatatype() != t.datatype {
		return fmt.Errorf("its input %s is %s, the descriptor says %s", t.name, in.GetDatatype(), t.datatype)
	}
	if shape := in.GetShape(); len(shape) == 2 && shape[1] > 0 && shape[1] != int64(len(t.columns)) {
		return fmt.Errorf("its input %s has %d columns, the descriptor %d", t.name, shape[1], len(t.columns))
	}
	return nil
}

func find(all []*inference.ModelMetadataResponse_TensorMetadata, name string) *inference.ModelMetadataResponse_TensorMetadata {
	for _, t := range all {
		if t.GetName() == name {
			return t
		}
	}
	return nil
}
