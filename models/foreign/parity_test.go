package foreign_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rebound-engine/rebound/models/foreign"
)

// findReferences looks for ../shared/testdata/models beside the repository.
func findReferences() (string, bool) {
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return "", false
		}
		dir = filepath.Dir(dir)
	}
	dir = filepath.Join(dir, "..", "shared", "testdata", "models")
	_, err = os.Stat(dir)
	return dir, err == nil
}

// referenceDir is the folder of reference models; a test without it is skipped.
func referenceDir(tb testing.TB) string {
	tb.Helper()
	dir, ok := findReferences()
	if !ok {
		tb.Skip("reference models ../shared/testdata/models are absent")
	}
	return dir
}

// referenceFiles lists the model files with one of the extensions.
func referenceFiles(tb testing.TB, extensions ...string) []string {
	tb.Helper()
	var files []string
	for _, ext := range extensions {
		found, err := filepath.Glob(filepath.Join(referenceDir(tb), "*"+ext))
		if err != nil {
			tb.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		tb.Fatalf("no reference model with extension %v", extensions)
	}
	return files
}

func open(tb testing.TB, file string) *foreign.Model {
	tb.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	m, err := foreign.Open(file, data)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestEveryReferenceModelIsReproduced(t *testing.T) {
	for _, file := range referenceFiles(t, ".txt", ".json", ".ubj", ".onnx") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			m := open(t, file)
			reference, err := os.Open(strings.TrimSuffix(file, filepath.Ext(file)) + ".csv")
			if err != nil {
				t.Fatal(err)
			}
			defer reference.Close()
			report, err := foreign.Check(m, reference)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range report.Columns {
				t.Logf("%s: largest difference %g", c.Name, c.MaxDiff)
				if c.Bad > 0 {
					t.Errorf("%s: %d of %d rows differ, by up to %g in row %d", c.Name, c.Bad, report.Rows, c.MaxDiff, c.Row)
				}
			}
			for _, name := range report.Ignored {
				if !strings.HasPrefix(name, "onnx") && m.Format() != foreign.ONNX {
					t.Errorf("column %s is not compared", name)
				}
			}
		})
	}
}
