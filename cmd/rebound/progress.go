package main

import (
	"io"
	"os"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// bar shows progress on standard error at a terminal and is silent elsewhere.
type bar struct {
	pool *mpb.Progress
	bar  *mpb.Bar
}

func (a *app) progressBar(name string, total int64) *bar {
	if !isTerminal(a.errOut) {
		return &bar{}
	}
	pool := mpb.New(mpb.WithOutput(a.errOut), mpb.WithWidth(50))
	return &bar{pool, pool.AddBar(total,
		mpb.PrependDecorators(decor.Name(name+" ")),
		mpb.AppendDecorators(decor.Percentage(), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)),
		mpb.BarRemoveOnComplete(),
	)}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// reader counts what passes.
func (b *bar) reader(r io.Reader) io.Reader {
	if b.bar == nil {
		return r
	}
	return b.bar.ProxyReader(r)
}

func (b *bar) add(n int) {
	if b.bar != nil {
		b.bar.IncrBy(n)
	}
}

func (b *bar) done() {
	if b.bar != nil {
		b.bar.Abort(true)
		b.pool.Wait()
	}
}
