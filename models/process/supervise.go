package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/rebound-engine/rebound/internal/breaker"
	modelv1 "github.com/rebound-engine/rebound/proto/rebound/model/v1"
)

// running is a process that has answered Describe.
type running struct {
	*connection
	breaker *breaker.Breaker
	process *started
}

// started is a process and what belongs to it.
type started struct {
	plugin *plugin.Client
	cmd    *exec.Cmd
	folder string // for its socket and temporary files
}

const (
	settled     = time.Minute            // a process that lived so long begins with the first wait again
	missedBeats = 3                      // after which a process counts as hung
	politeWait  = 500 * time.Millisecond // from asking a process to end to ending it
	endWait     = 5 * time.Second        // for an ended process to be gone
	maxAnswer   = 4 << 20                // 4 MiB
)

var (
	errEnded = errors.New("the process has ended")
	errHung  = errors.New("the process does not answer and was ended")
)

// supervise keeps the process running until ctx ends. It stays on one thread,
// for on Linux a process ends with the thread that started it (ownGroup).
func (m *Model) supervise(ctx context.Context) {
	defer close(m.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for wait := m.options.FirstWait; ; wait = min(2*wait, m.options.MaxWait) {
		began := time.Now()
		err := m.run(ctx)
		m.down(err)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > settled {
			wait = m.options.FirstWait
		}
		m.options.Logger.Warn("model process is down and will be started again", "program", m.program, "wait", wait, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (m *Model) down(err error) {
	m.why.Store(&err)
	m.alive.Store(nil)
	m.firstStartEnded()
}

// firstStartEnded lets Open return. Only the supervisor calls it.
func (m *Model) firstStartEnded() {
	select {
	case <-m.first:
	default:
		close(m.first)
	}
}

// run starts the process and returns why it is no longer running.
func (m *Model) run(ctx context.Context) error {
	r, err := m.start(ctx)
	if err != nil {
		return err
	}
	m.options.Logger.Info("model process is up", "program", m.program, "pid", r.process.cmd.Process.Pid)
	m.alive.Store(r)
	m.firstStartEnded()
	err = m.watch(ctx, r)
	m.down(err)
	r.process.end(ctx.Err() != nil)
	return err
}

// start brings the process to the point where it has described its model.
func (m *Model) start(ctx context.Context) (*running, error) {
	m.starts.Add(1)
	p, err := m.launch()
	if err != nil {
		return nil, err
	}
	r, err := m.meet(ctx, p)
	if err != nil {
		p.end(false)
		return nil, err
	}
	return r, nil
}

func (m *Model) launch() (*started, error) {
	folder, err := os.MkdirTemp("", "rebound-model-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the socket: %w", err)
	}
	cmd := exec.Command(m.program, m.config.Command[1:]...) //nolint:gosec,noctx // the program is in the folder the operator named; supervise ends it
	cmd.Env = environment(folder)
	ownGroup(cmd)
	p := &started{cmd: cmd, folder: folder}
	p.plugin = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake(),
		Plugins:          plugin.PluginSet{pluginName: &contract{}},
		Cmd:              cmd,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		StartTimeout:     time.Duration(m.config.StartTimeout),
		SkipHostEnv:      true,
		Logger:           hclog.NewNullLogger(),
		Stderr:           &lines{log: m.options.Logger, program: m.config.Command[0]},
		GRPCDialOptions:  []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)), grpc.WithIdleTimeout(0)},
	})
	if _, err := p.plugin.Start(); err != nil {
		p.end(false)
		return nil, fmt.Errorf("start: %w", err)
	}
	return p, nil
}

// meet connects and compares the process's description with the descriptor.
func (m *Model) meet(ctx context.Context, p *started) (*running, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(m.config.StartTimeout))
	defer cancel()
	stop := context.AfterFunc(ctx, p.kill) // Client waits for a process that hangs
	defer stop()
	protocol, err := p.plugin.Client()
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	raw, err := protocol.Dispense(pluginName)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	c, ok := raw.(*connection)
	if !ok {
		return nil, fmt.Errorf("connect: got a %T", raw)
	}
	d, err := c.client.Describe(ctx, &modelv1.DescribeRequest{}, grpc.WaitForReady(true))
	if err != nil {
		return nil, fmt.Errorf("describe: %w", err)
	}
	if err := compare(&m.schema, d); err != nil {
		return nil, err
	}
	b := breaker.New(breaker.Config{
		Failures: m.config.Failures, Wait: time.Duration(m.config.RetryAfter),
		MaxWait: max(m.options.MaxWait, time.Duration(m.config.RetryAfter)), Clock: m.options.Clock,
	})
	return &running{connection: c, breaker: b, process: p}, nil
}

// watch returns when the process has ended, hangs, or is to be ended.
func (m *Model) watch(ctx context.Context, r *running) error {
	beat := time.NewTicker(m.options.Beat)
	defer beat.Stop()
	for missed := 0; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.gone:
			return errEnded
		case <-beat.C:
		}
		if m.answers(ctx, r) {
			missed = 0
		} else if missed++; missed == missedBeats {
			return errHung
		}
	}
}

func (m *Model) answers(ctx context.Context, r *running) bool {
	ctx, cancel := context.WithTimeout(ctx, m.options.Beat)
	defer cancel()
	_, err := r.client.Describe(ctx, &modelv1.DescribeRequest{})
	return err == nil
}

// end ends the process, politely at first if it may be expected to listen, and
// removes its folder. It waits a bounded time.
func (p *started) end(polite bool) {
	ended := make(chan struct{})
	if !polite {
		p.kill()
	}
	go func() {
		defer close(ended)
		p.plugin.Kill()
	}()
	select {
	case <-ended:
	case <-time.After(politeWait):
		p.kill()
		select {
		case <-ended:
		case <-time.After(endWait):
		}
	}
	_ = os.RemoveAll(p.folder)
}

// kill ends the process and its children, if it was started and is not gone.
func (p *started) kill() {
	if p.cmd.Process != nil {
		killGroup(p.cmd.Process)
	}
}

// environment is what a process sees of the server's: where programs and
// temporary files are, and the language. Secrets stay here.
func environment(folder string) []string {
	out := []string{"TMPDIR=" + folder, "PLUGIN_UNIX_SOCKET_DIR=" + folder}
	for _, name := range []string{"PATH", "HOME", "LANG", "LC_ALL", "TZ", "SYSTEMROOT"} {
		if v, ok := os.LookupEnv(name); ok {
			out = append(out, name+"="+v)
		}
	}
	return out
}
