package rulestest

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// Text returns the report for a terminal: a line per case, the failures with
// their places and values, and a summary.
func (r *Report) Text() string {
	var b strings.Builder
	for _, s := range r.Suites {
		fmt.Fprintf(&b, "%s (%s)\n", s.Name, s.Path)
		for _, c := range s.Cases {
			verdict := "ok  "
			if len(c.Failures) > 0 {
				verdict = "FAIL"
			}
			fmt.Fprintf(&b, "  %s %s\n", verdict, c.Name)
			for _, f := range c.Failures {
				fmt.Fprintf(&b, "       %s: %s\n", f.At, f.Message)
				for _, line := range f.Detail {
					fmt.Fprintf(&b, "         %s\n", line)
				}
			}
		}
	}
	fmt.Fprintf(&b, "%d cases, %d failed\n", r.Total(), r.Failed())
	return b.String()
}

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Name    string       `xml:"name,attr"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name     string         `xml:"name,attr"`
	Class    string         `xml:"classname,attr"`
	File     string         `xml:"file,attr"`
	Line     int            `xml:"line,attr"`
	Time     string         `xml:"time,attr"`
	Failures []junitFailure `xml:"failure"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit returns the report in the XML form that CI systems read.
func (r *Report) JUnit() ([]byte, error) {
	out := junitSuites{Name: r.Bundle}
	for _, s := range r.Suites {
		suite := junitSuite{Name: s.Name, Tests: len(s.Cases)}
		var took time.Duration
		for _, c := range s.Cases {
			jc := junitCase{Name: c.Name, Class: s.Name, File: c.At.File, Line: c.At.Line, Time: seconds(c.Took)}
			for _, f := range c.Failures {
				jc.Failures = append(jc.Failures, junitFailure{Message: f.Message, Text: f.At.String() + "\n" + strings.Join(f.Detail, "\n")})
			}
			if len(c.Failures) > 0 {
				suite.Failures++
			}
			took += c.Took
			suite.Cases = append(suite.Cases, jc)
		}
		suite.Time = seconds(took)
		out.Suites = append(out.Suites, suite)
	}
	body, err := xml.MarshalIndent(out, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write JUnit report: %w", err)
	}
	return append([]byte(xml.Header), append(body, '\n')...), nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.6f", d.Seconds()) }
