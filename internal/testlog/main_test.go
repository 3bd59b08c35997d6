package main

import (
	"strings"
	"testing"
)

const stream = `# a line that is no event
{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Test":"TestGood","Output":"=== RUN   TestGood\n"}
{"Action":"output","Package":"p","Test":"TestGood","Output":"chatter\n"}
{"Action":"pass","Package":"p","Test":"TestGood"}
{"Action":"output","Package":"p","Test":"TestData","Output":"=== RUN   TestData\n"}
{"Action":"output","Package":"p","Test":"TestData","Output":"    x_test.go:3: no data\n"}
{"Action":"output","Package":"p","Test":"TestData","Output":"--- SKIP: TestData (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestData"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`

const failure = `{"Action":"output","Package":"q","Test":"TestBad","Output":"    y_test.go:9: wrong\n"}
{"Action":"fail","Package":"q","Test":"TestBad"}
{"Action":"output","Package":"q","Output":"FAIL\tq\t0.1s\n"}
{"Action":"fail","Package":"q"}
`

func summarise(t *testing.T, strict bool, in string) (string, bool) {
	t.Helper()
	var out strings.Builder
	r := newReport(strict)
	if err := r.read(strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	ok := r.summary(&out)
	return out.String(), ok
}

func TestSkipsCountOnlyWhereTheDataAre(t *testing.T) {
	text, ok := summarise(t, false, stream)
	if !ok {
		t.Errorf("a skip without data failed:\n%s", text)
	}
	for _, want := range []string{"# a line that is no event", "ok  \tp\t0.1s", "SKIP p TestData: x_test.go:3: no data", "tests: 1 passed, 0 failed, 1 skipped"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "chatter") {
		t.Errorf("output of a passed test is shown:\n%s", text)
	}
	if text, ok := summarise(t, true, stream); ok {
		t.Errorf("a skip beside the data passed:\n%s", text)
	}
}

func TestFailuresAreShown(t *testing.T) {
	text, ok := summarise(t, false, stream+failure)
	if ok {
		t.Error("a failure passed")
	}
	for _, want := range []string{"y_test.go:9: wrong", "FAIL\tq\t0.1s", "FAIL q TestBad"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
