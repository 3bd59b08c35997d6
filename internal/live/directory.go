package live

import (
	"context"
	"fmt"
	"os"

	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/server"
)

// Directory activates the bundle in a directory if it has changed since it was
// last acted on (see the package comment). A bad bundle is an error only when
// there is nothing else to go on with; otherwise it is logged, and what is active stays.
func (p *Policies) Directory(ctx context.Context, dir string) error {
	files, err := readDirectory(dir)
	if err != nil {
		return err
	}
	unlock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	err = p.act(ctx, files, server.SourceDirectory)
	if err == nil || passing(err) {
		return err
	}
	if active, ok := p.Active(); ok {
		p.refused("policies of the directory refused; the bundle of the log goes on", err)
		p.log.Warn("policies in use are older than the directory", "directory", dir, "digest", active.Digest)
		return nil
	}
	return fmt.Errorf("policies %s: %w", dir, err)
}

// act activates files of a directory unless it showed the same before. The caller holds the turn.
func (p *Policies) act(ctx context.Context, files map[string][]byte, source server.Source) error {
	digest := rules.Digest(files)
	if digest == p.seen {
		return nil
	}
	b, err := p.compile(files)
	if err == nil {
		_, err = p.use(ctx, b, source, "")
	}
	if err == nil || !passing(err) {
		p.seen = digest
	}
	return err
}

func readDirectory(dir string) (files map[string][]byte, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("read policies: %w", err)
	}
	files, err = ReadFiles(root.FS())
	if closing := root.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, fmt.Errorf("read policies %s: %w", dir, err)
	}
	return files, nil
}
