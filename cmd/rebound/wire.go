package main

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/models/foreign"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/store/badgerstore"
)

// bundleMessage is a directory of policies as a client sends it.
func bundleMessage(files map[string][]byte) *pb.Bundle {
	m := &pb.Bundle{}
	for path, content := range files {
		m.Files = append(m.Files, &pb.BundleFile{Path: path, Content: content})
	}
	return m
}

// checkOptions are what a folder is looked after with.
func checkOptions() badgerstore.Options {
	return badgerstore.Options{Fold: engine.NewFold(), Machine: engine.NewLedger(), Index: engine.Index}
}

func checkTable(w io.Writer, r *badgerstore.Report) {
	row(w, "log", fmt.Sprintf("positions %d to %d in %d segments", r.First, r.Last, r.Segments))
	row(w, "entries", r.Entries, fmt.Sprintf("(%d erased)", r.Erased))
	row(w, "records", r.Records)
	row(w, "index terms", r.Terms)
	row(w, "checkpoint", r.Checkpoint)
	row(w, "log folded again and compared", r.Refolded)
	if r.Cut != nil {
		row(w, "the next open cuts", r.Cut)
	}
	for _, p := range r.Problems {
		row(w, "PROBLEM", p)
	}
}

func modelCheckTable(w io.Writer, r *foreign.Report) {
	row(w, "format", r.Format)
	row(w, "rows", r.Rows)
	bad := 0
	for _, c := range r.Columns {
		if c.Bad > 0 {
			bad++
			row(w, "DIFFERS", c.Name, fmt.Sprintf("%d rows, most by %g in row %d", c.Bad, c.MaxDiff, c.Row))
		}
	}
	row(w, "columns equal", len(r.Columns)-bad)
}

func addrText(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// joinClose closes the node after err.
func joinClose(err error, n *node) error { return errors.Join(err, n.Close()) }

// hasPolicies tells whether a bundle is active in the session's own server.
func (s *session) hasPolicies() bool {
	_, ok := s.node.engine.Active()
	return ok
}
