package process_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/process"
)

// TestMain lets the test binary be the program that is started: its first
// argument says how it behaves.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "plugin:") {
		runProgram(strings.TrimPrefix(os.Args[1], "plugin:"))
		return
	}
	goleak.VerifyTestMain(m)
}

func runProgram(how string) {
	switch how {
	case "exit":
		fmt.Fprintln(os.Stderr, "no model here")
		os.Exit(3)
	case "silent":
		time.Sleep(time.Hour)
	case "babble":
		fmt.Println("hello")
		time.Sleep(time.Hour)
	default:
		process.Serve(&program{how: how})
	}
}

// program is the model in the process: 0.2 without an offer, its percents more with one.
type program struct{ how string }

var schema = models.Schema{
	Outcome: "purchase", Unit: "probability",
	Features:      []models.Feature{{Name: "customer.recency_days"}, {Name: "customer.tier", Type: models.Category, Levels: []string{"none", "gold"}}},
	OfferFeatures: []models.Feature{{Name: "offer.percent"}},
	Offers:        []string{"ten"},
}

func (p *program) Schema() *models.Schema {
	s := schema
	switch p.how {
	case "other-outcome":
		s.Outcome = "visit"
	case "other-unit":
		s.Unit = "money"
	case "other-features":
		s.Features = slices.Clone(s.Features)
		slices.Reverse(s.Features)
	case "fewer-features":
		s.OfferFeatures = nil
	}
	return &s
}

func (p *program) Score(ctx context.Context, x []float64, cands []models.Candidate, out []models.Score) error {
	switch {
	case p.how == "hang":
		<-ctx.Done()
		return ctx.Err()
	case p.how == "refuse":
		return fmt.Errorf("nothing is known: %w", models.ErrUnscorable)
	case x[0] == 666:
		os.Exit(1)
	case p.how == "stop":
		select {} // the program stops in mid-call, with or without a deadline
	}
	for i, c := range cands {
		out[i] = models.Score{Without: 0.2, With: 0.2 + c.X[0]/100, Lower: -0.1, Upper: 0.4}
		if math.IsNaN(x[1]) {
			out[i].Without, out[i].With = 0.1, 0.1
		}
		switch p.how {
		case "nan":
			out[i].With = math.NaN()
		case "two":
			out[i].With = 2
		case "uneven":
			out[i].Without += float64(i) / 10
		case "upside-down":
			out[i].Lower, out[i].Upper = 0.4, -0.1
		}
	}
	return nil
}

const text = `
timeout: 20s
outcome: purchase
unit: probability
features: [customer.recency_days, {name: customer.tier, levels: [none, gold]}]
offer_features: [offer.percent]
offers: [ten]
`

func config(t testing.TB, how, more string) process.Config {
	t.Helper()
	c, err := process.Parse([]byte(text + more))
	if err != nil {
		t.Fatal(err)
	}
	c.Command = []string{filepath.Base(executable(t)), "plugin:" + how}
	return c
}

func executable(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func options(t testing.TB) process.Options {
	return process.Options{Programs: filepath.Dir(executable(t)), FirstWait: 10 * time.Millisecond, MaxWait: 50 * time.Millisecond}
}

func open(t testing.TB, how, more string) *process.Model {
	t.Helper()
	m, err := process.Open(t.Context(), config(t, how, more), options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

var (
	good = []float64{5, 1}
	ten  = []models.Candidate{{Arm: 0, X: []float64{10}}, {Arm: -1, X: []float64{20}}}
)

func ask(m *process.Model, x []float64) ([]models.Score, error) {
	out := make([]models.Score, len(ten))
	return out, m.Score(context.Background(), x, ten, out)
}

// atOnce fails if do takes as long as a call that waits for an answer; a busy machine takes less.
func atOnce(t *testing.T, do func()) {
	t.Helper()
	start := time.Now()
	do()
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s where nothing answers and a call may take 20 s", took)
	}
}

// eventually waits for a condition on a process that comes and goes.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

func TestScores(t *testing.T) {
	m := open(t, "good", "")
	out, err := ask(m, good)
	if err != nil {
		t.Fatal(err)
	}
	want := []models.Score{{Without: 0.2, With: 0.30000000000000004, Lower: -0.1, Upper: 0.4}, {Without: 0.2, With: 0.4, Lower: -0.1, Upper: 0.4}}
	if !slices.Equal(out, want) {
		t.Errorf("got %+v\nwant %+v", out, want)
	}
	if out, err := ask(m, []float64{5, math.NaN()}); err != nil || out[0].With != 0.1 {
		t.Errorf("with a missing value: %+v, %v", out, err)
	}
	if _, err := ask(m, []float64{5}); !errors.Is(err, models.ErrUnscorable) {
		t.Errorf("one feature of two: %v", err)
	}
}

func TestConcurrentScores(t *testing.T) {
	m := open(t, "good", "max_in_flight: 4\n")
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := ask(m, good); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestBadAnswers: what a program answers wrongly is an error, never a score.
func TestBadAnswers(t *testing.T) {
	for _, how := range []string{"nan", "two", "uneven", "upside-down", "refuse"} {
		t.Run(how, func(t *testing.T) {
			m := open(t, how, "")
			if up, err := m.Up(); !up {
				t.Fatal(err)
			}
			if out, err := ask(m, good); !errors.Is(err, models.ErrUnscorable) {
				t.Errorf("%+v, %v", out, err)
			}
		})
	}
}

func TestMismatchIsRefused(t *testing.T) {
	for _, how := range []string{"other-outcome", "other-unit", "other-features", "fewer-features"} {
		if _, err := process.Open(t.Context(), config(t, how, ""), options(t)); !errors.Is(err, process.ErrMismatch) {
			t.Errorf("%s: %v", how, err)
		}
	}
}

// TestCrash lets the process end in mid-call, again and again; calls in between
// are refused at once, and it comes back.
func TestCrash(t *testing.T) {
	m := open(t, "good", "")
	for range 3 {
		eventually(t, "up", func() bool { _, err := ask(m, good); return err == nil })
		if _, err := ask(m, []float64{666, 0}); !errors.Is(err, models.ErrUnscorable) {
			t.Fatal(err)
		}
		atOnce(t, func() {
			for range 100 {
				if _, err := ask(m, good); err != nil && !errors.Is(err, models.ErrUnscorable) {
					t.Fatal(err)
				}
			}
		})
	}
	eventually(t, "up", func() bool { _, err := ask(m, good); return err == nil })
	if n := m.Starts(); n < 4 {
		t.Errorf("%d starts after 3 crashes", n)
	}
}

// TestDown: programs that do not become a model leave the model down, and
// nobody waits for it.
func TestDown(t *testing.T) {
	for how, more := range map[string]string{"exit": "", "silent": "start_timeout: 200ms\n", "babble": ""} {
		t.Run(how, func(t *testing.T) {
			m := open(t, how, more)
			eventually(t, "a second start", func() bool { return m.Starts() > 1 })
			if up, err := m.Up(); up || err == nil {
				t.Fatalf("up %v, %v", up, err)
			}
			atOnce(t, func() {
				for range 100 {
					if _, err := ask(m, good); !errors.Is(err, models.ErrUnscorable) {
						t.Fatal(err)
					}
				}
			})
		})
	}
}

func TestHungCallsOpenTheBreaker(t *testing.T) {
	m := open(t, "hang", "failures: 2\nretry_after: 1m\n")
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := m.Score(ctx, good, ten, make([]models.Score, 2)); !errors.Is(err, models.ErrUnscorable) {
			t.Error(err)
		}
		cancel()
	}
	atOnce(t, func() {
		if _, err := ask(m, good); !errors.Is(err, models.ErrUnscorable) {
			t.Error(err)
		}
	})
}

func TestCloseEndsTheProcess(t *testing.T) {
	m := open(t, "stop", "")
	pid := pidOf(t, m)
	go func() { _, _ = ask(m, good) }()
	time.Sleep(20 * time.Millisecond)
	if err := errors.Join(m.Close(), m.Close()); err != nil {
		t.Fatal(err)
	}
	if alive(pid) {
		t.Errorf("process %d is alive", pid)
	}
	if _, err := ask(m, good); !errors.Is(err, models.ErrUnscorable) {
		t.Error(err)
	}
}

func TestOnlyProgramsOfTheFolder(t *testing.T) {
	for _, command := range []string{"/bin/sh", "../sh", "a/b", ".", "..", "", "no-such-program"} {
		c := config(t, "good", "")
		c.Command[0] = command
		if _, err := process.Open(t.Context(), c, options(t)); err == nil {
			t.Errorf("%q was started", command)
		}
	}
	c := config(t, "good", "")
	c.Command[0] = filepath.Base(t.TempDir())
	o := options(t)
	o.Programs = filepath.Dir(t.TempDir())
	if _, err := process.Open(t.Context(), c, o); err == nil {
		t.Error("a folder was started")
	}
}

func TestValidateReportsEverything(t *testing.T) {
	c, err := process.Parse([]byte("unit: pieces\ntimeout: 2m\nmax_in_flight: -1\nfailures: -1\nfeatures: [{name: a, missing: 0}, a]\n"))
	if err != nil {
		t.Fatal(err)
	}
	err = c.Validate()
	for _, want := range []string{"command:", "timeout:", "max_in_flight:", "failures:", "outcome:", "unit:", `"a": a process is told`, `"a" is empty or there twice`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %s in %v", want, err)
		}
	}
}

func ExampleParse() {
	c, err := process.Parse([]byte(`
command: [purchase-model, --quiet]
timeout: 3ms
outcome: purchase
unit: probability
features: [customer.recency_days]
offers: [ten]
`))
	fmt.Println(c.Command, time.Duration(c.Timeout), errors.Join(err, c.Validate()))
	// Output: [purchase-model --quiet] 3ms <nil>
}
