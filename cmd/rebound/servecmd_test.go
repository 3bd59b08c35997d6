package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/rebound-engine/rebound/client"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/server"
)

const interrupt = syscall.SIGINT

// running is a server in a process of its own.
type running struct {
	addr string // for --addr
	log  *bytes.Buffer
	stop func() error // by SIGTERM; returns how the process ended
}

// serve runs `rebound serve` on a unix socket and waits until it listens.
func serve(t testing.TB, env []string, args ...string) running {
	t.Helper()
	dir, err := os.MkdirTemp("", "rb") //nolint:usetesting // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) }) //nolint:errcheck // a temporary folder
	socket := filepath.Join(dir, "s")
	cmd := subprocess(t, append([]string{"serve", "--socket", socket, "--address", "", "--metrics-address", ""}, args...)...)
	cmd.Env = append(cmd.Env, env...)
	r := running{addr: "unix:" + socket, log: new(bytes.Buffer)}
	cmd.Stderr = r.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.stop = func() error {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		return cmd.Wait()
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("unix", socket); err == nil {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			return r
		}
		if time.Now().After(deadline) {
			t.Fatal("the server does not listen")
		}
	}
}

func TestServeStopsInOrder(t *testing.T) {
	store := newStore(t)
	s := serve(t, nil, "--store", store, "--policies", goodBundle)
	out, errOut, code := piped(t, returnRequest(t, "r1", "", ""), "decide", "--addr", s.addr)
	if code != exitOK || !strings.Contains(out, "OFFER") {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	refused(t, exitFailed, []string{"held by pid", "--addr"}, "budget", "--store", store)
	if err := s.stop(); err != nil {
		t.Errorf("SIGTERM: %v\n%s", err, s.log)
	}
	for _, personal := range []string{"anna", "8000"} {
		if strings.Contains(s.log.String(), personal) {
			t.Errorf("the log tells %q:\n%s", personal, s.log)
		}
	}
	if r := checked(t, store); len(r.Problems) > 0 {
		t.Errorf("check: %v", r.Problems)
	}
}

// TestServeSettings: defaults < file < environment < flags; the file also sets the events clock and strict scopes.
func TestServeSettings(t *testing.T) {
	fromFile, fromEnv, fromFlag := newStore(t), newStore(t), newStore(t)
	policies, err := filepath.Abs(goodBundle)
	if err != nil {
		t.Fatal(err)
	}
	config := writeFile(t, "config.yaml", fmt.Sprintf("store: %s\nlog_format: json\nmax_calls: 7\nclock: events\nstrict_scopes: true\npolicies: %s\n", fromFile, policies))
	for name, c := range map[string]struct {
		env, args []string
		store     string
	}{
		"file":        {nil, nil, fromFile},
		"environment": {[]string{"REBOUND_STORE=" + fromEnv, "REBOUND_UNRELATED=1"}, nil, fromEnv},
		"flag":        {[]string{"REBOUND_STORE=" + fromEnv}, []string{"--store", fromFlag}, fromFlag},
	} {
		s := serve(t, c.env, append([]string{"--config", config}, c.args...)...)
		out, errOut, code := piped(t, returnRequest(t, "r1", `"scope": "us.8"`, `"asOf": "2026-05-01T00:00:00Z", "scope": "us.7"`), "decide", "--addr", s.addr, "-o", "json")
		if code != exitOK || !strings.Contains(out, `"decided_at": "2026-05-01T00:00:00Z"`) {
			t.Errorf("%s: clock: exit %d, %s%s", name, code, out, errOut)
		}
		if _, errOut, code = piped(t, returnRequest(t, "r2", "us.8", "us.99"), "decide", "--addr", s.addr); code != exitFailed || !strings.Contains(errOut, "UNKNOWN_SCOPE") || !strings.Contains(errOut, "us.99") {
			t.Errorf("%s: strict scopes: exit %d, %s", name, code, errOut)
		}
		if err := s.stop(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if log := s.log.String(); !strings.Contains(log, `"store":"`+c.store+`"`) {
			t.Errorf("%s: log\n%s", name, log)
		}
		if _, err := os.Stat(filepath.Join(c.store, "FORMAT")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestServeRefusesSettings: everything that is wrong, at once, before the folder is touched.
func TestServeRefusesSettings(t *testing.T) {
	store := newStore(t)
	config := writeFile(t, "config.yaml", "stor: here\nserver: {adr: x}\nhelp: true\nmax_calls: many\njournal: sometimes\ndrain_timeout: -1s\n")
	refused(t, exitUsage, []string{"stor", "server.adr", "help", "max_calls", "journal", "sometimes", "drain_timeout"}, "serve", "--store", store, "--config", config)
	refused(t, exitUsage, []string{"absent.yaml"}, "serve", "--store", store, "--config", "absent.yaml")
	refused(t, exitUsage, []string{"bad.yaml"}, "serve", "--store", store, "--config", writeFile(t, "bad.yaml", "a: [b"))
	refused(t, exitUsage, []string{"address", "0.0.0.0:7420", "no TLS", "metrics_address", "192.0.2.1:80"}, "serve", "--store", store, "--address", "0.0.0.0:7420", "--metrics-address", "192.0.2.1:80")
	refused(t, exitUsage, []string{"address", "no TLS"}, "serve", "--store", store, "--address", ":7420")
	refused(t, exitUsage, []string{"watch"}, "serve", "--store", store, "--watch")
	refused(t, exitUsage, []string{"clock"}, "serve", "--store", store, "--clock", "sundial")
	refused(t, exitUsage, []string{"--sore"}, "serve", "--sore", store)
	t.Setenv("REBOUND_MAX_CALLS", "many")
	refused(t, exitUsage, []string{"max_calls", "many"}, "serve", "--store", store)
	if _, err := os.Stat(store); !os.IsNotExist(err) {
		t.Errorf("a folder was made: %v", err)
	}
}

// TestServeCannotStart: policies that do not compile have an exit code of their own; a taken address is named.
func TestServeCannotStart(t *testing.T) {
	refused(t, exitCompile, []string{"RB2002"}, "serve", "--store", newStore(t), "--policies", brokenBundle, "--address", "127.0.0.1:0", "--metrics-address", "")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()
	refused(t, exitFailed, []string{addr, "in use"}, "serve", "--store", newStore(t), "--address", addr, "--metrics-address", "")
	refused(t, exitUsage, []string{"model_timeout", "0s"}, "serve", "--store", newStore(t), "--model-timeout", "0s")
}

// TestServeFlagsAreTheSettings: every setting has a flag, and the flags' defaults are the packages'.
func TestServeFlagsAreTheSettings(t *testing.T) {
	cfg := defaultNodeConfig()
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	serveFlags(flags, &cfg)
	if !reflect.DeepEqual(cfg.Server, server.DefaultConfig()) || !reflect.DeepEqual(cfg, defaultNodeConfig()) {
		t.Errorf("the defaults of flags differ: %+v", cfg)
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if f.DefValue != f.Value.String() || f.Usage == "" {
			t.Errorf("--%s: default %q, value %q, usage %q", f.Name, f.DefValue, f.Value, f.Usage)
		}
		other := map[string]string{"string": "other", "bool": "true", "int": "12345", "float64": "12345", "uint32": "12345", "duration": "12345s", "stringSlice": "a,b", "stringArray": "a"}[f.Value.Type()]
		if err := f.Value.Set(other); err != nil {
			t.Errorf("--%s: %v", f.Name, err)
		}
	})
	unset(t, "nodeConfig", reflect.ValueOf(cfg), reflect.ValueOf(defaultNodeConfig()))
}

// unset reports exported settings that no flag has changed.
func unset(t *testing.T, path string, got, was reflect.Value) {
	t.Helper()
	for i := range got.NumField() {
		f := got.Type().Field(i)
		switch {
		case !f.IsExported():
		case f.Type.Kind() == reflect.Struct:
			unset(t, path+"."+f.Name, got.Field(i), was.Field(i))
		case reflect.DeepEqual(got.Field(i).Interface(), was.Field(i).Interface()):
			t.Errorf("no flag sets %s.%s", path, f.Name)
		}
	}
}

func TestServeMetricsAndHealth(t *testing.T) {
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := port.Addr().String()
	if err := port.Close(); err != nil {
		t.Fatal(err)
	}
	s := serve(t, nil, "--store", newStore(t), "--policies", goodBundle, "--metrics-address", addr)
	if _, errOut, code := piped(t, returnRequest(t, "r1", "", ""), "decide", "--addr", s.addr); code != exitOK {
		t.Fatal(errOut)
	}
	for path, want := range map[string]string{"/metrics": "rebound", "/healthz": "", "/readyz": ""} {
		resp, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		_, err = body.ReadFrom(resp.Body)
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(body.String(), want) {
			t.Errorf("%s: %s %v\n%.500s", path, resp.Status, err, body.String())
		}
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

// TestNoServer: a verb that finds no server says where it looked.
func TestNoServer(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	out, errOut, code := piped(t, returnRequest(t, "r", "", ""), "decide", "--addr", "unix:"+socket)
	if code != exitFailed || !strings.Contains(errOut, "Unavailable") || !strings.Contains(errOut, socket) {
		t.Errorf("exit %d: %s%s", code, out, errOut)
	}
	refused(t, exitUsage, []string{"addr", "store"}, "budget", "--addr", "unix:"+socket, "--store", newStore(t))
}

// TestEventsOfTheFuture: an event from the future is rejected by the name of its field, the rest of the batch is recorded.
func TestEventsOfTheFuture(t *testing.T) {
	c, err := client.Dial(serve(t, nil, "--store", newStore(t), "--policies", goodBundle).addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	now := time.Now()
	resp, err := c.Events.RecordEvents(t.Context(), &pb.RecordEventsRequest{Events: []*pb.Event{purchaseOf("a", now), purchaseOf("b", now.AddDate(1, 0, 0)), purchaseOf("c", now)}})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []pb.EventStatus{pb.EventStatus_EVENT_STATUS_ACCEPTED, pb.EventStatus_EVENT_STATUS_REJECTED, pb.EventStatus_EVENT_STATUS_ACCEPTED} {
		if r := resp.GetResults()[i]; r.GetStatus() != want || want == pb.EventStatus_EVENT_STATUS_REJECTED && !strings.Contains(r.GetDetail(), "time: ") {
			t.Errorf("event %d: %v", i, r)
		}
	}
}

func purchaseOf(id string, at time.Time) *pb.Event {
	return &pb.Event{EventId: id, CustomerIds: []*pb.CustomerId{{Namespace: "shop", Value: "anna"}}, Time: timestampOf(at), Channel: pb.Channel_CHANNEL_STORE,
		Kind: &pb.Event_Purchase{Purchase: &pb.Purchase{OrderId: "order-" + id, CurrencyCode: "USD", Lines: []*pb.PurchaseLine{{Sku: "shirt", Quantity: 1, PaidMinorUnits: 4900}}}}}
}
