// Command decide measures Decide over gRPC against an empty echo with messages
// of the same size, alternately in one run: the echo is what this machine and
// gRPC allow. Both servers live in one child process with the real interceptors,
// validation, metrics, access log and journal on the side of Decide; the driver
// sends and receives bytes, so that it costs the same for both.
//
//	go run ./bench/decide -callers 16,64 -rounds 25 -length 400ms
//
// Short rounds, many of them: what else the machine does hits both sides then.
//
// It owns the measurement and refuses to know how decisions are made.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

type options struct {
	role     string
	callers  []int
	rounds   int
	length   time.Duration
	journal  string
	profiles int
	gogc     int
	answer   int
	dir      string
	profile  string
	waits    string
	least    float64
}

// errGate is a ratio below -min.
var errGate = errors.New("ratio is below the minimum")

func main() {
	o, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if o.role == "server" {
		err = serve(context.Background(), o, os.Stdin, os.Stdout)
	} else {
		err = measure(context.Background(), o, os.Stdout)
	}
	if errors.Is(err, errGate) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(5)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	var callers string
	f := flag.NewFlagSet("decide", flag.ContinueOnError)
	f.StringVar(&o.role, "role", "driver", "driver, or server for the child process")
	f.StringVar(&callers, "callers", "16,64", "callers at once, one measurement each")
	f.IntVar(&o.rounds, "rounds", 25, "rounds of echo and Decide, alternately")
	f.DurationVar(&o.length, "length", 400*time.Millisecond, "length of one round on one server")
	f.StringVar(&o.journal, "journal", "bounded", "bounded or lossless")
	f.IntVar(&o.profiles, "profiles", 50_000, "customers with a history")
	f.IntVar(&o.gogc, "gogc", 400, "GOGC of the server process")
	f.IntVar(&o.answer, "answer", 1200, "bytes the echo answers; the driver corrects it to those of Decide")
	f.StringVar(&o.dir, "dir", "", "where the store goes; empty is the system's temporary folder")
	f.StringVar(&o.profile, "cpuprofile", "", "where to write a CPU profile of the server process")
	f.StringVar(&o.waits, "blockprofile", "", "where to write a profile of what the server process waited for")
	f.Float64Var(&o.least, "min", 0, "exit with 5 if a ratio is below this")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	for text := range strings.SplitSeq(callers, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return o, fmt.Errorf("-callers %q: give positive numbers with commas between them", callers)
		}
		o.callers = append(o.callers, n)
	}
	return o, nil
}

// child is the server process.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	addresses
}

func startChild(ctx context.Context, o options) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-role", "server", "-journal", o.journal, "-profiles", strconv.Itoa(o.profiles), //nolint:gosec // it is this program
		"-gogc", strconv.Itoa(o.gogc), "-answer", strconv.Itoa(o.answer), "-dir", o.dir, "-cpuprofile", o.profile, "-blockprofile", o.waits)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, stdin: stdin}
	if err := json.NewDecoder(bufio.NewReader(stdout)).Decode(&c.addresses); err != nil {
		return nil, errors.Join(fmt.Errorf("server process: %w", err), c.stop())
	}
	return c, nil
}

func (c *child) stop() error { return errors.Join(c.stdin.Close(), c.cmd.Wait()) }

// measure starts the servers, warms them up and prints the table.
func measure(ctx context.Context, o options, out io.Writer) error {
	tmpl, err := newTemplate()
	if err != nil {
		return err
	}
	size, err := answerSize(ctx, o, tmpl)
	if err != nil {
		return err
	}
	o.answer = size
	c, err := startChild(ctx, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s %s/%s, %d CPUs; journal %s, %d profiles, GOGC %d; %d bytes in, %d out\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), o.journal, o.profiles, o.gogc, len(tmpl.bytes), size)
	err = compare(ctx, o, c, &driver{template: tmpl, customers: uint64(o.profiles)}, out)
	return errors.Join(err, c.stop())
}

// answerSize asks a server of its own for the size of a typical answer.
func answerSize(ctx context.Context, o options, tmpl *template) (int, error) {
	o.profiles, o.profile, o.waits = 100, "", ""
	c, err := startChild(ctx, o)
	if err != nil {
		return 0, err
	}
	t, err := dial(c.Decide, pb.DecisionService_Decide_FullMethodName)
	if err != nil {
		return 0, errors.Join(err, c.stop())
	}
	defer t.close()
	total, in, answer := 0, make([]byte, len(tmpl.bytes)), []byte(nil)
	const asked = 100
	for i := range uint64(asked) {
		tmpl.fill(in, i, i)
		if err := invoke(ctx, t.conns[0], t.method, &in, &answer); err != nil {
			return 0, errors.Join(err, c.stop())
		}
		total += len(answer)
	}
	return total / asked, errors.Join(check(answer), c.stop())
}

// check makes sure that what is measured is a decision about eight candidates.
func check(answer []byte) error {
	var d pb.DecideResponse
	if err := proto.Unmarshal(answer, &d); err != nil {
		return err
	}
	if len(d.GetCandidates()) != 8 || len(d.GetDegraded()) > 0 || d.GetDecisionId() == "" {
		return fmt.Errorf("not the decision to be measured: %v", &d)
	}
	return nil
}

func compare(ctx context.Context, o options, c *child, d *driver, out io.Writer) error {
	echo, err := dial(c.Echo, echoMethod)
	if err != nil {
		return err
	}
	defer echo.close()
	decide, err := dial(c.Decide, pb.DecisionService_Decide_FullMethodName)
	if err != nil {
		return err
	}
	defer decide.close()
	d.call.Store(1_000_000)
	fmt.Fprintln(out, "callers  echo/s  decide/s  ratio (min-max)     echo p50/p99       decide p50/p99     server CPU per call: echo, decide")
	var low error
	for _, n := range o.callers {
		t, err := alternate(ctx, o, c, d, echo, decide, n)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, t.row(n))
		if t.ratio() < o.least {
			low = fmt.Errorf("%w: %.2f at %d callers, want %.2f", errGate, t.ratio(), n, o.least)
		}
	}
	return low
}

// tally is all rounds of one number of callers.
type tally struct {
	echo, decide       []result
	ratios             []float64
	echoCPU, decideCPU time.Duration
}

func alternate(ctx context.Context, o options, c *child, d *driver, echo, decide *target, callers int) (*tally, error) {
	for _, t := range []*target{echo, decide} {
		if _, err := d.run(ctx, t, callers, o.length/2); err != nil { // warm up
			return nil, err
		}
	}
	t := new(tally)
	for range o.rounds {
		before := cpu(c.cmd.Process.Pid)
		e, err := d.run(ctx, echo, callers, o.length)
		if err != nil {
			return nil, err
		}
		between := cpu(c.cmd.Process.Pid)
		x, err := d.run(ctx, decide, callers, o.length)
		if err != nil {
			return nil, err
		}
		t.echoCPU += (between - before) / time.Duration(e.calls*o.rounds)
		t.decideCPU += (cpu(c.cmd.Process.Pid) - between) / time.Duration(x.calls*o.rounds)
		t.echo, t.decide = append(t.echo, e), append(t.decide, x)
		t.ratios = append(t.ratios, x.perSecond/e.perSecond)
	}
	slices.Sort(t.ratios)
	return t, nil
}

// ratio is the median of the rounds.
func (t *tally) ratio() float64 { return t.ratios[len(t.ratios)/2] }

func (t *tally) row(callers int) string {
	e, d := middle(t.echo), middle(t.decide)
	return fmt.Sprintf("%7d  %6.0f  %8.0f  %.2f (%.2f-%.2f)  %8v/%-8v  %8v/%-8v  %v, %v", callers, e.perSecond, d.perSecond,
		t.ratio(), t.ratios[0], t.ratios[len(t.ratios)-1], e.p50.Round(time.Microsecond), e.p99.Round(time.Microsecond),
		d.p50.Round(time.Microsecond), d.p99.Round(time.Microsecond), t.echoCPU.Round(100*time.Nanosecond), t.decideCPU.Round(100*time.Nanosecond))
}

// middle is the round of median throughput.
func middle(rs []result) result {
	s := slices.Clone(rs)
	slices.SortFunc(s, func(a, b result) int { return int(a.perSecond - b.perSecond) })
	return s[len(s)/2]
}

// cpu is the time a process has spent computing so far; 0 where the system does not tell.
func cpu(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	var ticks int
	for _, f := range fields[11:13] { // user and system time
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // of 100 per second
}
