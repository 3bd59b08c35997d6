package live

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/server"
)

// Validate implements server.Policies: it compiles the files and their test
// suites and opens their models, without using any of them.
func (p *Policies) Validate(ctx context.Context, files map[string][]byte) (digest string, found []rules.Diagnostic, err error) {
	c, err := visible(files)
	if err != nil {
		return "", nil, err
	}
	_, found, err = Check(ctx, c.files)
	return rules.Digest(c.files), found, err
}

// Check compiles a bundle, its test suites and its models and returns every
// problem, sorted. The bundle is nil if one of them keeps it from being used.
func Check(ctx context.Context, files map[string][]byte) (*rules.Bundle, []rules.Diagnostic, error) {
	b, err := rules.LoadFiles(files, engine.Schema())
	if err != nil {
		found, err := diagnostics(err)
		return nil, found, err
	}
	found := b.Warnings()
	_, warnings, err := b.Suites()
	if err != nil {
		more, err := diagnostics(err)
		return nil, rules.SortDiagnostics(slices.Concat(found, more)), err
	}
	found = rules.SortDiagnostics(slices.Concat(found, warnings))
	if err := engine.CheckBundle(ctx, b, OpenModel); err != nil {
		if ctx.Err() != nil {
			return nil, nil, err
		}
		return nil, append(found, unusable(b, err)), nil
	}
	return b, found, nil
}

// CodeUnusable is the code of a bundle that compiles and still cannot be
// activated: a model that does not open or does not fit, a budget that cannot be kept.
const CodeUnusable = "RB6001"

// unusable points at the outcome whose model is to blame, else at the company's file.
func unusable(b *rules.Bundle, err error) rules.Diagnostic {
	d := rules.Diagnostic{Code: CodeUnusable, Severity: rules.SeverityError, Length: 1, Message: err.Error()}
	d.File = "company.yaml"
	company, _ := b.Policy("")
	for _, o := range company.Outcomes {
		if strings.Contains(d.Message, "outcome "+o.Name+":") {
			d.Position = o.Source.Position
		}
	}
	return d
}

// diagnostics takes the problems out of an error that has some.
func diagnostics(err error) ([]rules.Diagnostic, error) {
	if d, ok := errors.AsType[*rules.DiagnosticsError](err); ok {
		return d.Diagnostics, nil
	}
	return nil, err
}

// contents is a bundle as it was handed over.
type contents struct {
	files     map[string][]byte // what the digest covers
	signature string
}

// visible drops hidden files, as reading a directory does, all but the
// signature, and refuses paths that leave the bundle.
func visible(files map[string][]byte) (contents, error) {
	out := contents{files: make(map[string][]byte, len(files)), signature: string(files[rules.SignatureFile])}
	for name, content := range files {
		if !fs.ValidPath(name) || name == "." {
			return contents{}, &engine.FieldError{Field: "bundle.files", Hint: fmt.Sprintf("%q is no path inside a bundle; write it like regions/us.yaml", name)}
		}
		if !hidden(name) {
			out.files[name] = content
		}
	}
	return out, nil
}

// hidden tells whether any part of a path begins with a dot or ends in a tilde.
func hidden(name string) bool {
	for ; name != "."; name = path.Dir(name) {
		if base := path.Base(name); strings.HasPrefix(base, ".") || strings.HasSuffix(base, "~") {
			return true
		}
	}
	return false
}

// Activate implements server.Policies. A repeated request id with the same
// files gives the first answer again; with others it is engine.ErrRequestIDReused.
func (p *Policies) Activate(ctx context.Context, c *server.Change) (server.BundleStatus, []rules.Diagnostic, error) {
	given, err := visible(c.Files)
	if err != nil {
		return server.BundleStatus{}, nil, err
	}
	unlock, err := p.lock(ctx)
	if err != nil {
		return server.BundleStatus{}, nil, err
	}
	defer unlock()
	if s, ok := p.known.to(c.RequestID); ok {
		if s.Rollback || s.Digest != rules.Digest(given.files) {
			return server.BundleStatus{}, nil, engine.ErrRequestIDReused
		}
		return s, nil, nil
	}
	if err := p.expected(c.Expected); err != nil {
		return server.BundleStatus{}, nil, err
	}
	b, err := p.compile(given)
	if err != nil {
		return server.BundleStatus{}, nil, err
	}
	s, err := p.use(ctx, b, given.signature, server.SourceAPI, c.RequestID)
	if err != nil {
		return server.BundleStatus{}, nil, asDiagnostic(b, err)
	}
	return s, b.Warnings(), nil
}

// asDiagnostic makes an error of the bundle's one of its diagnostics.
func asDiagnostic(b *rules.Bundle, err error) error {
	if passing(err) {
		return err
	}
	return &rules.DiagnosticsError{Diagnostics: []rules.Diagnostic{unusable(b, err)}}
}

// expected compares the digest a caller believes active.
func (p *Policies) expected(want string) error {
	active, _ := p.Active()
	if want != "" && want != active.Digest {
		return &server.StaleError{Want: want, Got: active.Digest}
	}
	return nil
}

// Rollback implements server.Policies. Without a digest it returns to the
// newest logged bundle that differs from the active one, so that a second
// rollback undoes the first.
func (p *Policies) Rollback(ctx context.Context, c *server.Change) (server.BundleStatus, error) {
	unlock, err := p.lock(ctx)
	if err != nil {
		return server.BundleStatus{}, err
	}
	defer unlock()
	if s, ok := p.known.to(c.RequestID); ok {
		if !s.Rollback || c.Digest != "" && c.Digest != s.Digest {
			return server.BundleStatus{}, engine.ErrRequestIDReused
		}
		return s, nil
	}
	if err := p.expected(c.Expected); err != nil {
		return server.BundleStatus{}, err
	}
	to, err := p.earlier(ctx, c.Digest)
	if err != nil {
		return server.BundleStatus{}, err
	}
	if err := p.verify(to.Digest, to.Signature); err != nil {
		return server.BundleStatus{}, err
	}
	b, err := p.engine.LoggedBundle(ctx, to.Position)
	if err != nil {
		return server.BundleStatus{}, err
	}
	return p.use(ctx, b, to.Signature, server.SourceRollback, c.RequestID)
}

// earlier finds the newest activation of a digest, or of any but the active one.
func (p *Policies) earlier(ctx context.Context, digest string) (to *engine.Activation, err error) {
	active, _ := p.Active()
	err = p.engine.WalkActivations(ctx, func(a *engine.Activation) bool {
		if digest == "" && !a.Superseded && a.Digest != active.Digest || digest != "" && a.Digest == digest {
			to = a
		}
		return to == nil
	})
	switch {
	case err != nil:
		return nil, err
	case to == nil && digest == "":
		return nil, server.ErrNoEarlierBundle
	case to == nil:
		return nil, fmt.Errorf("digest %q: %w", digest, server.ErrBundleNotFound)
	}
	return to, nil
}
