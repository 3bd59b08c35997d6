package vtcodec_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/rebound-engine/rebound/internal/vtcodec"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

func Example() {
	c := vtcodec.New()
	data, err := c.Marshal(&pb.Money{CurrencyCode: "USD", MinorUnits: 1250})
	if err != nil {
		fmt.Println(err)
		return
	}
	var back pb.Money
	if err := c.Unmarshal(data, &back); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(back.GetCurrencyCode(), back.GetMinorUnits())
	// Output: USD 1250
}

func TestSameBytesAsRuntime(t *testing.T) {
	cases := map[string]proto.Message{
		"empty":   &pb.DecideRequest{},
		"small":   &pb.Money{CurrencyCode: "USD", MinorUnits: 1},
		"pooled":  &pb.DecideRequest{RequestId: strings.Repeat("x", 5000), ItemReturn: &pb.ItemReturn{Lines: []*pb.ReturnLine{{Sku: "a", Quantity: 2}}}},
		"foreign": &grpc_health_v1.HealthCheckRequest{Service: "s"},
	}
	for name, m := range cases {
		t.Run(name, func(t *testing.T) {
			data, err := vtcodec.New().Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			back := m.ProtoReflect().New().Interface()
			if err := proto.Unmarshal(data.Materialize(), back); err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(m, back) {
				t.Errorf("runtime reads %v, want %v", back, m)
			}
			again := m.ProtoReflect().New().Interface()
			if err := vtcodec.New().Unmarshal(data, again); err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(m, again) {
				t.Errorf("codec reads %v, want %v", again, m)
			}
		})
	}
}

func TestReleasingGivesBackAfterMarshal(t *testing.T) {
	m := &pb.DecideResponse{DecisionId: "d1"}
	data, err := vtcodec.NewReleasing().Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var back pb.DecideResponse
	if err := vtcodec.New().Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if back.GetDecisionId() != "d1" {
		t.Errorf("wire has decision id %q, want d1", back.GetDecisionId())
	}
	if m.GetDecisionId() != "" {
		t.Errorf("message still holds %q after it went back to its pool", m.GetDecisionId())
	}
}

func TestRefusesWhatIsNoMessage(t *testing.T) {
	if _, err := vtcodec.New().Marshal("text"); err == nil {
		t.Error("Marshal of a string succeeded")
	}
	if err := vtcodec.New().Unmarshal(mem.BufferSlice{mem.SliceBuffer("x")}, new(string)); err == nil {
		t.Error("Unmarshal into a string succeeded")
	}
	if err := vtcodec.New().Unmarshal(mem.BufferSlice{mem.SliceBuffer{0xff}}, &pb.Money{}); err == nil {
		t.Error("Unmarshal of a torn message succeeded")
	}
}
