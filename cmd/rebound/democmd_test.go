package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDemo ends with the table, three decisions explained, and commands that work.
func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	out := must(t, "demo", "--customers", "1500", "--dir", dir)
	for _, want := range []string{"RETURNS DECIDED", "no incentive needed", "offered ", "held out, to measure", "REDEEMED", "0 above budget", "CAME BACK WITHIN 30 DAYS",
		"An offer (decision ", "Needs no incentive (decision ", "Refused for abuse (decision ", "Try next:"} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
	_, next, _ := strings.Cut(out, "Try next:\n")
	tried := 0
	for _, line := range lines(next) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "rebound" {
			continue
		}
		tried++
		if got, errOut, code := cli(t, words[1:]...); code != exitOK || got == "" && words[2] != "check" {
			t.Errorf("%s: exit %d\n%s%s", line, code, got, errOut)
		}
	}
	if tried < 4 {
		t.Errorf("%d commands to try in\n%s", tried, next)
	}
	if r := checked(t, filepath.Join(dir, "store")); len(r.Problems) > 0 {
		t.Errorf("check: %v", r.Problems)
	}
	refused(t, exitUsage, []string{dir, "already holds a store"}, "demo", "--dir", dir)
}

// TestDemoServes prints one JSON document and stays until it is told to stop.
func TestDemoServes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	cmd := subprocess(t, "demo", "--customers", "700", "--dir", dir, "--serve", "--address", "127.0.0.1:0", "-o", "json")
	path := filepath.Join(t.TempDir(), "out.json")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); !strings.HasSuffix(fileText(t, path), "}\n"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no report: %s", errOut.String())
		}
	}
	refused(t, exitFailed, []string{"held by pid"}, "budget", "--store", filepath.Join(dir, "store"))
	if err := cmd.Process.Signal(interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("interrupted: %v %s", err, errOut.String())
	}
	d := json.NewDecoder(strings.NewReader(fileText(t, path)))
	var report demoTally
	if err := d.Decode(&report); err != nil || d.More() {
		t.Fatalf("not one JSON document: %v", err)
	}
	if report.Returns == 0 || report.Learned < 100 || report.Overruns != 0 || report.Rejected != 0 || len(report.Groups) == 0 {
		t.Errorf("%+v", report)
	}
}
