package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// tutorialCommands are the commands of the README of examples/campaign.
func tutorialCommands(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "examples", "campaign", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, block := range shellBlock.FindAllSubmatch(page, -1) {
		for line := range strings.Lines(string(block[1])) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// tutorialFolder is a copy of examples/campaign as the working folder.
func tutorialFolder(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "examples", "campaign"))); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
}

// tutorialRun runs a line of the tutorial. For the sake of time training tries
// two candidates on two folds, intervals take few draws, the vouchers are
// learned from a fifth of the customers, and what is repeated is so once.
func tutorialRun(t *testing.T, line string) string {
	t.Helper()
	command, file, redirected := strings.Cut(line, " > ")
	words := strings.Fields(command)
	if len(words) < 2 || words[0] != "rebound" {
		t.Fatalf("%q is no command of rebound", line)
	}
	switch words[1] {
	case "train":
		words = append(words, "--trials", "2", "--folds", "2")
	case "evaluate":
		words = append(words, "--replicates", "60")
	}
	for flag, fewer := range map[string]string{"--splits": "1", "--cross-validate": "2"} {
		if k := slices.Index(words, flag); k >= 0 {
			words[k+1] = fewer
			words = append(words, "--trials", "1", "--folds", "2")
		}
	}
	if words[1] != "model" && slices.Contains(words, "voucher.yaml") {
		words = append(words, "--test-share", "0.8")
	}
	out, errOut, code := cli(t, words[1:]...)
	if code != exitOK {
		t.Fatalf("%s: exit code %d: %s", line, code, errOut)
	}
	if redirected {
		if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// The commands of the tutorial run, and say what the tutorial says they say.
func TestCampaignTutorial(t *testing.T) {
	lines := tutorialCommands(t)
	tutorialFolder(t)
	outputs := map[string]string{}
	for _, line := range lines {
		if !strings.Contains(line, "shared/") {
			outputs[strings.Join(strings.Fields(line)[1:3], " ")] += tutorialRun(t, line)
		}
	}
	for command, want := range map[string][]string{
		"train --data":    {"* s-linear-300", "Qini exchange", "held out", "the learned policy stands", "(champion)"},
		"evaluate --data": {"Use the model", "everybody: amount", "Uplift of exchange on purchase", "ok  rows unseen", "no others"},
		"model predict":   {"500", "predictions.csv"},
		"model show":      {"probability", "learned policy over amount"},
	} {
		for _, w := range want {
			if !strings.Contains(outputs[command], w) {
				t.Errorf("rebound %s does not say %q:\n%s", command, w, outputs[command])
			}
		}
	}
	page, err := os.ReadFile("report.html")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(page, []byte("<svg")) || bytes.Contains(page, []byte("<script")) || bytes.Contains(page, []byte("src=\"http")) {
		t.Error("report.html lacks its plots or loads something")
	}
	records := csvFile(t, "predictions.csv")
	if len(records) != 501 || strings.Join(records[0][:3], " ") != "row customer without" {
		t.Errorf("predictions.csv has %d lines and starts with %v", len(records), records[0])
	}
}

// The commands on real campaigns run where their data is.
func TestCampaignTutorialOnRealData(t *testing.T) {
	lines := tutorialCommands(t)
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "..", "shared", "data", "dmc2010_voucher")); errors.Is(err, fs.ErrNotExist) {
		t.Skip("data is absent: ../shared/data")
	}
	tutorialFolder(t)
	said := ""
	for _, line := range lines {
		if strings.Contains(line, "shared/") {
			said += tutorialRun(t, strings.ReplaceAll(line, "../../../shared", filepath.Join(root, "..", "shared")))
		}
	}
	for _, want := range []string{"31967 more held out", "Give everybody Mens E-Mail", "ForestDR (econml)", "Voucher points", "this is prediction, no uplift",
		"linear model per arm", `No learner beats "everybody: Mens E-Mail"`, "Effect of mail on PURCHASE by fifths"} {
		if !strings.Contains(said, want) {
			t.Errorf("nothing says %q:\n%s", want, said)
		}
	}
}

func csvFile(t *testing.T, name string) [][]string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return records
}
