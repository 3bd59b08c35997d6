package rules

// The part of SARIF 2.1.0 (OASIS, 27 March 2020) that code scanners read.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID          string       `json:"id"`
		Short       sarifMessage `json:"shortDescription"`
		Full        sarifMessage `json:"fullDescription"`
		HelpURI     string       `json:"helpUri,omitempty"`
		Help        sarifMessage `json:"help"`
		DefaultConf sarifConf    `json:"defaultConfiguration"`
	}
	sarifConf struct {
		Level string `json:"level"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifMessage    `json:"message"`
		Locations []sarifLocation `json:"locations"`
		Related   []sarifLocation `json:"relatedLocations,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
		Message  *sarifMessage `json:"message,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
		EndColumn   int `json:"endColumn,omitempty"`
	}
)

// FormatSARIF returns the diagnostics as a SARIF 2.1.0 log. prefix is the bundle's
// path within the repository.
func FormatSARIF(ds []Diagnostic, prefix string) ([]byte, error) {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver.Name = "rebound policy check"
	index := map[string]int{}
	for i, c := range Codes() {
		index[c.Code] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: c.Code, Short: sarifMessage{c.Title}, Full: sarifMessage{c.Why}, Help: sarifMessage{"See " + DocsURL(c.Code)},
			DefaultConf: sarifConf{c.Severity.String()},
		})
	}
	for _, d := range ds {
		result := sarifResult{
			RuleID: d.Code, RuleIndex: index[d.Code], Level: d.Severity.String(), Message: sarifMessage{d.Message + notes(d)},
			Locations: []sarifLocation{sarifPlace(prefix, d.Position, d.Length, "")},
		}
		for _, r := range d.Related {
			result.Related = append(result.Related, sarifPlace(prefix, r.Position, 0, r.Message))
		}
		run.Results = append(run.Results, result)
	}
	return marshalIndent(sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}})
}

func sarifPlace(prefix string, at Position, length int, message string) sarifLocation {
	out := sarifLocation{Physical: sarifPhysical{Artifact: sarifArtifact{joinPath(prefix, at.File)}}}
	if at.Line > 0 {
		out.Physical.Region = &sarifRegion{StartLine: at.Line, StartColumn: at.Column}
		if length > 0 {
			out.Physical.Region.EndColumn = at.Column + length
		}
	}
	if message != "" {
		out.Message = &sarifMessage{message}
	}
	return out
}
