package main

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

// descriptors is the set of a file and all it imports, imports first.
func descriptors(f protoreflect.FileDescriptor, seen map[string]bool, set *descriptorpb.FileDescriptorSet) {
	if seen[f.Path()] {
		return
	}
	seen[f.Path()] = true
	for i := range f.Imports().Len() {
		descriptors(f.Imports().Get(i).FileDescriptor, seen, set)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
}

func TestPageNamesFieldsTypesAndRules(t *testing.T) {
	set := new(descriptorpb.FileDescriptorSet)
	descriptors(pb.File_rebound_v1_decision_proto, map[string]bool{}, set)
	data, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(bytes.NewReader(data), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"## DecisionService",
		"| `StreamDecide` | stream of [StreamDecideRequest](#streamdeciderequest) | stream of [StreamDecideResponse](#streamdecideresponse) |",
		"| `request_id` | string | at least 1 characters, at most 128 characters |",
		"| `channel` | [Channel](#channel) | a defined value, not unspecified |",
		"| `store_id` | string, one of `place` | at most 64 characters |",
		"| `as_of` | `google.protobuf.Timestamp` |",
		"| `metadata` | map of string to string |",
		"| `OUTCOME_HOLDOUT` | 3 |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("page has no %s", want)
		}
	}
}

func TestRefusesWhatIsNoDescriptorSet(t *testing.T) {
	if err := run(strings.NewReader("\xff\xff"), new(bytes.Buffer)); err == nil {
		t.Error("nonsense was taken for descriptors")
	}
}
