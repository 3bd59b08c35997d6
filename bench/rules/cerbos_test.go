package rules

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	effectv1 "github.com/cerbos/cerbos/api/genpb/cerbos/effect/v1"
	enginev1 "github.com/cerbos/cerbos/api/genpb/cerbos/engine/v1"
	requestv1 "github.com/cerbos/cerbos/api/genpb/cerbos/request/v1"
	svcv1 "github.com/cerbos/cerbos/api/genpb/cerbos/svc/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/structpb"
)

// cerbosPolicy has an action per condition.
func cerbosPolicy() string {
	var b strings.Builder
	b.WriteString("apiVersion: api.cerbos.dev/v1\nresourcePolicy:\n  version: default\n  resource: candidate\n  rules:\n")
	for i, c := range Conditions() {
		text := c.CEL
		for group := range Input() {
			text = strings.ReplaceAll(text, group+".", "R.attr."+group+".")
		}
		fmt.Fprintf(&b, "    - actions: [rule-%d]\n      effect: EFFECT_ALLOW\n      roles: [\"*\"]\n      condition: {match: {expr: '%s'}}\n", i, text)
	}
	return b.String()
}

func freePort(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startCerbos runs the PDP that REBOUND_CERBOS names until the benchmark ends.
func startCerbos(b *testing.B) *grpc.ClientConn {
	b.Helper()
	binary := os.Getenv("REBOUND_CERBOS")
	if binary == "" {
		b.Skip("set REBOUND_CERBOS to the path of a Cerbos binary")
	}
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "candidate.yaml"), []byte(cerbosPolicy()), 0o600); err != nil {
		b.Fatal(err)
	}
	address := freePort(b)
	cmd := exec.Command(binary, "server", "--log-level=error", "--set=storage.driver=disk", "--set=storage.disk.directory="+dir,
		"--set=server.grpcListenAddr="+address, "--set=server.httpListenAddr="+freePort(b), "--set=telemetry.disabled=true")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	for {
		if _, err = healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{}); err == nil {
			return conn
		}
		if ctx.Err() != nil {
			b.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// BenchmarkCerbos asks for all conditions in one call, alternately with an empty
// health check on the same connection, whose time is subtracted.
func BenchmarkCerbos(b *testing.B) {
	conn := startCerbos(b)
	health, client := healthv1.NewHealthClient(conn), svcv1.NewCerbosServiceClient(conn)
	attr := map[string]*structpb.Value{}
	for group, values := range Input() {
		plain := map[string]any{}
		for name, v := range values {
			if list, ok := v.([]string); ok {
				items := make([]any, len(list))
				for i, s := range list {
					items[i] = s
				}
				v = items
			}
			plain[name] = v
		}
		s, err := structpb.NewStruct(plain)
		if err != nil {
			b.Fatal(err)
		}
		attr[group] = structpb.NewStructValue(s)
	}
	var actions []string
	for i := range Conditions() {
		actions = append(actions, fmt.Sprintf("rule-%d", i))
	}
	request := &requestv1.CheckResourcesRequest{
		RequestId: "1", Principal: &enginev1.Principal{Id: "p", Roles: []string{"user"}},
		Resources: []*requestv1.CheckResourcesRequest_ResourceEntry{{Actions: actions, Resource: &enginev1.Resource{Kind: "candidate", Id: "1", Attr: attr}}},
	}
	ctx := b.Context()
	var empty, full time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := health.Check(ctx, &healthv1.HealthCheckRequest{}); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		out, err := client.CheckResources(ctx, request)
		if err != nil {
			b.Fatal(err)
		}
		empty, full = empty+middle.Sub(start), full+time.Since(middle)
		for action, effect := range out.GetResults()[0].GetActions() {
			if effect != effectv1.Effect_EFFECT_ALLOW {
				b.Fatal(action, effect)
			}
		}
	}
	n := float64(b.N * len(actions))
	b.ReportMetric(float64(empty.Nanoseconds())/float64(b.N), "ns/echo")
	b.ReportMetric(float64((full-empty).Nanoseconds())/n, "ns/condition")
}
