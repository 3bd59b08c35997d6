package server

import (
	"errors"
	"fmt"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// validator checks requests against the field rules written in the protos.
type validator struct {
	rules protovalidate.Validator
	texts textPlans
}

// newValidator compiles the rules of every request of our services, so that no call has to.
func newValidator() (*validator, error) {
	texts := make(textPlans)
	var inputs []protoreflect.MessageDescriptor
	for _, service := range services() {
		for i := range service.Methods().Len() {
			input := service.Methods().Get(i).Input()
			texts.add(input)
			inputs = append(inputs, input)
		}
	}
	rules, err := protovalidate.New(protovalidate.WithMessageDescriptors(inputs...), protovalidate.WithDisableLazy())
	if err != nil {
		return nil, fmt.Errorf("compile field rules: %w", err)
	}
	return &validator{rules, texts}, nil
}

// services are the descriptors of our services, in alphabetical order of their files.
func services() []protoreflect.ServiceDescriptor {
	files := []protoreflect.FileDescriptor{
		pb.File_rebound_v1_budget_proto, pb.File_rebound_v1_decision_proto, pb.File_rebound_v1_event_proto,
		pb.File_rebound_v1_journal_proto, pb.File_rebound_v1_model_proto, pb.File_rebound_v1_policy_proto, pb.File_rebound_v1_profile_proto,
	}
	var all []protoreflect.ServiceDescriptor
	for _, f := range files {
		for i := range f.Services().Len() {
			all = append(all, f.Services().Get(i))
		}
	}
	return all
}

// methods are the full names of our methods as gRPC spells them.
func methods() []string {
	var all []string
	for _, s := range services() {
		for i := range s.Methods().Len() {
			all = append(all, fmt.Sprintf("/%s/%s", s.FullName(), s.Methods().Get(i).Name()))
		}
	}
	return all
}

// check returns a *badRequestError naming every field that breaks a rule, or nil.
// Messages of other services (health, reflection) have no rules.
func (v *validator) check(req any) error {
	if d, hot := req.(*pb.DecideRequest); hot && sound(d) {
		return nil
	}
	return v.judge(req)
}

// judge applies the rules of the protos.
func (v *validator) judge(req any) error {
	m, ok := req.(proto.Message)
	if !ok {
		return nil
	}
	r := m.ProtoReflect()
	plan := v.texts[r.Descriptor().FullName()]
	if plan == nil {
		return nil
	}
	if path := plan.invalid(r); path != "" {
		return newBadRequest(path, "is not valid UTF-8")
	}
	err := v.rules.Validate(m)
	if broken, ok := errors.AsType[*protovalidate.ValidationError](err); ok {
		return violations(broken)
	}
	return err
}

func violations(broken *protovalidate.ValidationError) *badRequestError {
	b := new(badRequestError)
	for _, v := range broken.Violations {
		b.add(protovalidate.FieldPathString(v.Proto.GetField()), v.Proto.GetMessage())
	}
	return b
}
