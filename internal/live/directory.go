package live

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/rebound-engine/rebound/rules"
	"github.com/rebound-engine/rebound/server"
)

// Directory activates the bundle in a directory if it has changed since it was
// last acted on (see the package comment). A bad bundle is an error only when
// there is nothing else to go on with; otherwise it is logged, and what is active stays.
func (p *Policies) Directory(ctx context.Context, dir string) error {
	found, err := readDirectory(dir)
	if err != nil {
		return err
	}
	unlock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	err = p.act(ctx, found, server.SourceDirectory)
	if err == nil || passing(err) {
		return err
	}
	if active, ok := p.Active(); ok {
		p.refused("directory", "the bundle of the log goes on", err)
		p.log.Warn("policies in use are older than the directory", "directory", dir, "digest", active.Digest)
		return nil
	}
	return fmt.Errorf("policies %s: %w", dir, err)
}

// act activates files of a directory unless it showed the same before. The caller holds the turn.
func (p *Policies) act(ctx context.Context, found contents, source server.Source) error {
	now := found.sight()
	if now == p.seen {
		return nil
	}
	b, err := p.compile(found)
	if err == nil {
		_, err = p.use(ctx, b, found.signature, source, "")
	}
	if err == nil || !passing(err) {
		p.seen = now
	}
	return err
}

// sight is what a directory shows at one time.
type sight struct{ digest, signature string }

func (c *contents) sight() sight { return sight{rules.Digest(c.files), c.signature} }

// ReadDirectory reads the files of a bundle directory (see ReadFiles) and its
// signature, empty if there is none.
func ReadDirectory(dir string) (files map[string][]byte, signature string, err error) {
	c, err := readDirectory(dir)
	return c.files, c.signature, err
}

func readDirectory(dir string) (c contents, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return c, fmt.Errorf("read policies: %w", err)
	}
	c.files, err = ReadFiles(root.FS())
	if err == nil {
		c.signature, err = ReadSignature(root.FS())
	}
	if err = errors.Join(err, root.Close()); err != nil {
		return c, fmt.Errorf("read policies %s: %w", dir, err)
	}
	return c, nil
}
