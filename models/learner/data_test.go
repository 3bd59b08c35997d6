package learner

import (
	"bytes"
	"compress/gzip"
	"errors"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/rebound-engine/rebound/models"
)

const smallCSV = `id,when,offer,p0,p1,bought,age,channel,note
a,2025-01-02,none,0.5,0.5,0,31,web,x
b,2025-01-03,ten,0.5,0.5,1,,store,x
a,2025-01-04,ten,0.25,0.75,0,44,web,x
c,2025-01-05,none,0.5,0.5,1,27,?,x
`

var smallMapping = Mapping{
	Outcome: "bought", Unit: "probability", Window: 30 * 24 * time.Hour, Treatment: "offer", Control: "none",
	Logged: []string{"p0", "p1"}, Group: "id", Time: "when", Ignore: []string{"note"}, Missing: []string{"?"},
}

func checkSmall(t *testing.T, d *Dataset) {
	t.Helper()
	if d.Rows() != 4 || d.Arms() != 2 || d.Offers[0] != "ten" || d.Arm[1] != 1 || d.Arm[0] != 0 {
		t.Fatalf("%d rows, offers %q, arms %v", d.Rows(), d.Offers, d.Arm)
	}
	if d.Group[0] != d.Group[2] || d.Group[0] == d.Group[1] || d.Logged[1][2] != 0.75 {
		t.Errorf("groups %v, logged %v", d.Group, d.Logged)
	}
	if len(d.Features) != 2 || d.Features[1].Type != models.Category || strings.Join(d.Features[1].Levels, " ") != "store web" {
		t.Errorf("features %+v", d.Features)
	}
	if !math.IsNaN(d.X[0][1]) || d.X[0][2] != 44 || !math.IsNaN(d.X[1][3]) || d.X[1][0] != 1 {
		t.Errorf("columns %v", d.X)
	}
	if d.Time[0].Day() != 2 {
		t.Errorf("time %v", d.Time[0])
	}
}

func TestReadCSV(t *testing.T) {
	d, err := ReadCSV(strings.NewReader(smallCSV), smallMapping)
	if err != nil {
		t.Fatal(err)
	}
	checkSmall(t, d)
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	if _, err := gz.Write([]byte(smallCSV)); err != nil {
		t.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		t.Fatal(err)
	}
	zipped, err := ReadCSV(&b, smallMapping)
	if err != nil {
		t.Fatal(err)
	}
	if d.Digest() != zipped.Digest() {
		t.Error("the digest depends on compression")
	}
	zipped.X[0][0]++
	if d.Digest() == zipped.Digest() {
		t.Error("the digest does not see a changed value")
	}
}

func TestReadCSVSaysWhere(t *testing.T) {
	for name, c := range map[string]struct {
		from, to, want string
		change         func(*Mapping)
	}{
		"bad outcome":     {from: "0.5,1,,store", to: "0.5,yes,,store", want: `column "bought", row 2: "yes"`},
		"unknown offer":   {from: "ten,0.25", to: "zzz,0.25", want: `row 3: "zzz"`, change: func(m *Mapping) { m.Offers = []string{"ten"} }},
		"outcome above 1": {from: "0.5,1,,store", to: "0.5,7,,store", want: "row 1: 7 is not a probability"},
		"missing column":  {want: `no column "nope"`, change: func(m *Mapping) { m.Outcome = "nope" }},
		"zero propensity": {from: "0.25,0.75", to: "1,0", want: "propensity 0 of arm 1"},
		"bad time":        {from: "2025-01-05", to: "soon", want: `row 4: "soon" is not a time`},
		"ragged row":      {from: "web,x\nb", to: "web\nb", want: "line 2"},
	} {
		m := smallMapping
		if c.change != nil {
			c.change(&m)
		}
		_, err := ReadCSV(strings.NewReader(strings.Replace(smallCSV, c.from, c.to, 1)), m)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want it to say %q", name, err, c.want)
		}
	}
	_, err := ReadCSV(strings.NewReader(smallCSV), Mapping{Outcome: "nope", Unit: "probability"})
	if !errors.Is(err, ErrData) {
		t.Errorf("%v is no ErrData", err)
	}
}

func TestReadParquet(t *testing.T) {
	type row struct {
		ID      string    `parquet:"id"`
		When    time.Time `parquet:"when,timestamp"`
		Offer   string    `parquet:"offer"`
		P0      float64   `parquet:"p0"`
		P1      float64   `parquet:"p1"`
		Bought  bool      `parquet:"bought"`
		Age     *int32    `parquet:"age,optional"`
		Channel *string   `parquet:"channel,optional"`
	}
	age := func(v int32) *int32 { return &v }
	channel := func(v string) *string { return &v }
	day := func(d int) time.Time { return time.Date(2025, 1, d, 0, 0, 0, 0, time.UTC) }
	var b bytes.Buffer
	if err := parquet.Write(&b, []row{
		{"a", day(2), "none", .5, .5, false, age(31), channel("web")},
		{"b", day(3), "ten", .5, .5, true, nil, channel("store")},
		{"a", day(4), "ten", .25, .75, false, age(44), channel("web")},
		{"c", day(5), "none", .5, .5, true, age(27), nil},
	}); err != nil {
		t.Fatal(err)
	}
	m := smallMapping
	m.Ignore = nil
	d, err := ReadParquet(bytes.NewReader(b.Bytes()), int64(b.Len()), m)
	if err != nil {
		t.Fatal(err)
	}
	checkSmall(t, d)
	if _, err := ReadParquet(bytes.NewReader(b.Bytes()[:b.Len()/2]), int64(b.Len()/2), m); err == nil {
		t.Error("half a file was read")
	}
}

func TestReadParquetOfOthers(t *testing.T) {
	f, err := os.Open(sharedFile(t, "data", "complete_journey", "coupon_redemptions.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	d, err := ReadParquet(f, info.Size(), Mapping{Outcome: "campaign_id", Unit: "count", Group: "household_id"})
	if err != nil {
		t.Fatal(err)
	}
	if d.Rows() != 2102 {
		t.Errorf("%d rows, want 2,102", d.Rows())
	}
}

func TestCheckFindsWhatIsPlanted(t *testing.T) {
	n := 6000
	s := newStream(4)
	d := &Dataset{Outcome: "y", Unit: "probability", Offers: []string{"a", "b"}, Y: make([]float64, n), Arm: make([]int, n)}
	for _, name := range []string{"fine", "same", "leak", "skewed"} {
		d.Features = append(d.Features, models.Feature{Name: name})
		d.X = append(d.X, make([]float64, n))
	}
	for i := range n {
		d.Arm[i] = s.below(2)
		if i < 50 {
			d.Arm[i] = 2
		}
		if s.uniform() < 0.2 {
			d.Y[i] = 1
		}
		d.X[0][i], d.X[1][i], d.X[2][i], d.X[3][i] = s.uniform(), 3, d.Y[i]+0.1*s.uniform(), s.uniform()+0.2*float64(d.Arm[i])
	}
	d.Logged = [][]float64{make([]float64, n), make([]float64, n), make([]float64, n)}
	for i := range n {
		d.Logged[0][i], d.Logged[1][i], d.Logged[2][i] = 0.3, 0.69, 0.01
	}
	got := map[string]bool{}
	for _, f := range Check(d) {
		got[f.Kind+" "+f.Subject] = true
	}
	for _, want := range []string{"constant same", "leakage leak", "tiny arm b", "imbalance skewed", "imbalance no offer"} {
		if !got[want] {
			t.Errorf("not found: %s (found %v)", want, got)
		}
	}
	if got["leakage fine"] || got["imbalance fine"] {
		t.Errorf("a fine feature is accused: %v", got)
	}
}

// An offer that only some customers could have had does not make a trial
// unbalanced, nor do customers whose arm holds for all their rows: not unless the
// chances are wrong.
func TestCheckKnowsLoggedChances(t *testing.T) {
	n := 8000
	s := newStream(6)
	d := &Dataset{Outcome: "y", Unit: "probability", Offers: []string{"a"}, Y: make([]float64, n), Arm: make([]int, n), Group: make([]uint64, n),
		Features: []models.Feature{{Name: "spend"}}, X: [][]float64{make([]float64, n)}, Logged: [][]float64{make([]float64, n), make([]float64, n)}}
	for i := range n {
		d.Group[i] = uint64(i / 8)
		if i%8 == 0 {
			d.X[0][i] = s.uniform()
			d.Logged[1][i] = max(0, d.X[0][i]-0.3)
			if s.uniform() < d.Logged[1][i] {
				d.Arm[i] = 1
			}
		} else {
			d.X[0][i], d.Logged[1][i], d.Arm[i] = d.X[0][i-1], d.Logged[1][i-1], d.Arm[i-1]
		}
		d.Logged[0][i] = 1 - d.Logged[1][i]
		if s.uniform() < 0.3 {
			d.Y[i] = 1
		}
	}
	if f := Check(d); len(f) != 0 {
		t.Errorf("chances depend on the spend and are logged: %v", f)
	}
	for i := range n {
		d.Logged[1][i] = 0.4
		d.Logged[0][i] = 0.6
	}
	if f := Check(d); len(f) != 3 || f[2].Subject != "spend" {
		t.Errorf("wrong chances: %v", f)
	}
}

func TestHillstromIsClean(t *testing.T) {
	if f := Check(hillstrom(t, "visit", "probability")); len(f) != 0 {
		t.Errorf("findings in a randomised trial: %v", f)
	}
}
