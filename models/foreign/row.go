package foreign

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// levelIndex finds the code of a level by name, per feature; nil for numbers and
// for categories whose levels the file does not name.
type levelIndex []map[string]float64

func (m *Model) indexLevels() {
	m.levels = make(levelIndex, len(m.features))
	for i, f := range m.features {
		if len(f.Levels) == 0 {
			continue
		}
		if i > 0 && len(m.features[i-1].Levels) > 0 && &m.features[i-1].Levels[0] == &f.Levels[0] {
			m.levels[i] = m.levels[i-1] // one list serves several features
			continue
		}
		m.levels[i] = make(map[string]float64, len(f.Levels))
		for code, level := range f.Levels {
			m.levels[i][level] = float64(code)
		}
	}
}

// ParseRow reads one value per feature from text into row: numbers as Go writes
// them, "" or "NaN" for missing, the name of the level for a category whose
// levels the model knows (a level it does not know becomes NaN).
func (m *Model) ParseRow(fields []string, row []float64) error {
	if len(fields) != len(m.features) || len(row) < len(fields) {
		return fmt.Errorf("parse row: %d fields into %d values, the model reads %d", len(fields), len(row), len(m.features))
	}
	for i, text := range fields {
		if m.levels[i] != nil {
			row[i] = m.levels.code(i, text)
			continue
		}
		if text = strings.TrimSpace(text); text == "" {
			row[i] = math.NaN()
			continue
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("parse row: feature %q: %.40q is not a number", m.features[i].Name, text)
		}
		row[i] = v
	}
	return nil
}

// code is the code of a level by name; a number may be written in any way ("3.0").
func (l levelIndex) code(feature int, text string) float64 {
	if code, ok := l[feature][text]; ok {
		return code
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		if code, ok := l[feature][strconv.FormatFloat(v, 'f', -1, 64)]; ok {
			return code
		}
	}
	return math.NaN()
}
