package rules

// LoadFiles compiles a bundle from its files by path, as Load does from a
// directory: for bundles that come from the log or over the wire. The map and
// its contents must not be changed afterwards.
func LoadFiles(files map[string][]byte, schema Schema) (*Bundle, error) {
	total := 0
	for _, data := range files {
		if total += len(data); total > maxBundleBytes || len(files) > maxFiles {
			return nil, tooLarge("company.yaml")
		}
	}
	l := &loader{report: &report{}, files: files}
	b := l.bundle(schema)
	l.list = SortDiagnostics(l.list)
	if l.errors() {
		return nil, &DiagnosticsError{Diagnostics: l.list}
	}
	b.warnings = l.list
	return b, nil
}
