package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rebound-engine/rebound/engine/profile"
	"github.com/rebound-engine/rebound/internal/ingest"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/server"
)

// ingestBatch is how many events one call records; ingestBytes how large it may get.
const (
	ingestBatch = 500
	ingestBytes = 4 << 20 // 4 MiB
)

// ingestReport is what `rebound ingest` prints.
type ingestReport struct {
	ingest.Counts
	Accepted       int            `json:"events_accepted"`
	Duplicates     int            `json:"events_duplicate"` // recorded before
	EventsRejected map[string]int `json:"events_rejected"`  // by reason
	Resumed        int            `json:"events_resumed"`   // acknowledged in an interrupted run and not sent again
	RejectFile     string         `json:"reject_file,omitempty"`
}

func (a *app) ingestCmd() *cobra.Command {
	var mapping, rejects, state string
	cmd := &cobra.Command{
		Use:   "ingest TABLE.csv[.gz]",
		Short: "Record a table of transactions as events",
		Long: `Ingest reads a table of transactions (CSV, plain or gzip), groups its rows into
events by a mapping file and records them. Rows that cannot be used are counted
and written to a reject file with their reasons. An interrupted run goes on
where it stopped; recording an event twice changes nothing.`,
		Example: "  rebound ingest sales.csv.gz --mapping mapping.yaml --store ./store",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, arg []string) error {
			i := &ingestion{app: a, table: arg[0], rejects: rejects, stateFile: state}
			if i.rejects == "" {
				i.rejects = arg[0] + ".rejects.csv"
			}
			if i.stateFile == "" {
				i.stateFile = arg[0] + ".ingest.json"
			}
			return i.run(cmd.Context(), mapping)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&mapping, "mapping", "m", "", "mapping file (docs/formats/mapping.md)")
	f.StringVar(&rejects, "rejects", "", "where rejected rows go (default TABLE.rejects.csv)")
	f.StringVar(&state, "state", "", "where progress is kept until the run is complete (default TABLE.ingest.json)")
	cobra.CheckErr(cmd.MarkFlagRequired("mapping"))
	a.stateFlags(cmd)
	return cmd
}

// ingestion is one run of the verb.
type ingestion struct {
	app                       *app
	table, rejects, stateFile string

	client     pb.EventServiceClient
	before     progress // of an interrupted run
	probe      int      // the last event the interrupted run saw recorded; 0: none
	state      progress // of this run
	early      int      // accepted before it showed that before is of another store
	seen       int
	batch      []*pb.Event
	numbers    []int // of the events in the batch
	size       int
	report     ingestReport
	rejectFile *os.File
	rejectCSV  *csv.Writer
}

// progress is the state file.
type progress struct {
	Fingerprint  string `json:"fingerprint"`
	Acknowledged int    `json:"acknowledged"`       // events, in the order of the table
	Rejected     []int  `json:"rejected,omitempty"` // which of them the store refused, counted from 1
}

// refused tells whether the store refused the n-th event.
func (p *progress) refused(n int) bool {
	_, ok := slices.BinarySearch(p.Rejected, n)
	return ok
}

// errOtherStore says that the store lacks what the state file says it has.
var errOtherStore = errors.New("the state file is of another store")

func (i *ingestion) run(ctx context.Context, mappingFile string) (err error) {
	data, err := os.ReadFile(mappingFile)
	if err != nil {
		return err
	}
	m, err := ingest.ParseMapping(mappingFile, data)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	s, err := i.app.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // what was acknowledged is known
	i.client = s.Events
	if err := i.resume(); err != nil {
		return err
	}
	err = i.readTable(ctx, m, data)
	if errors.Is(err, errOtherStore) {
		i.before = progress{}
		err = i.readTable(ctx, m, data)
	}
	if err != nil {
		return err
	}
	i.report.Accepted, i.report.Duplicates = i.report.Accepted+i.early, i.report.Duplicates-i.early
	if err := os.Remove(i.stateFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return i.app.print(&i.report, i.reportTable)
}

func (i *ingestion) readTable(ctx context.Context, m *ingest.Mapping, mapping []byte) (err error) {
	file, err := os.Open(i.table)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // read only
	info, err := file.Stat()
	if err != nil {
		return err
	}
	i.begin(ingest.Fingerprint(mapping, filepath.Base(i.table), info.Size()))
	bar := i.app.progressBar("ingest", info.Size())
	defer bar.done()
	table, err := decompress(bar.reader(file), i.table)
	if err != nil {
		return err
	}
	reader, err := ingest.NewReader(m, table, i.reject)
	if err != nil {
		return fmt.Errorf("table %s: %w", i.table, err)
	}
	counts, err := reader.Read(ctx, func(e *profile.Event) error { return i.add(ctx, e) })
	if err == nil {
		err = i.flush(ctx)
	}
	if err == nil && i.seen < i.probe {
		err = errOtherStore
	}
	i.report.Counts = counts
	return errors.Join(err, i.closeRejects())
}

// decompress unwraps gzip by the name's ending.
func decompress(r io.Reader, name string) (io.Reader, error) {
	if !strings.HasSuffix(name, ".gz") {
		return bufio.NewReaderSize(r, 1<<16), nil
	}
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", name, err)
	}
	return bufio.NewReaderSize(z, 1<<16), nil
}

// resume reads how far an interrupted run came.
func (i *ingestion) resume() error {
	data, err := os.ReadFile(i.stateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &i.before); err != nil {
		return fmt.Errorf("state file %s: %w; delete it to begin again (nothing is recorded twice)", i.stateFile, err)
	}
	return nil
}

// begin starts at the first row, with what the interrupted run did if it read the same table by the same mapping.
func (i *ingestion) begin(fingerprint string) {
	if i.before.Fingerprint != fingerprint {
		i.before = progress{}
	}
	for i.probe = i.before.Acknowledged; i.probe > 0 && i.before.refused(i.probe); {
		i.probe--
	}
	i.state = progress{Fingerprint: fingerprint}
	i.report = ingestReport{EventsRejected: map[string]int{}}
	i.seen, i.batch, i.numbers, i.size = 0, nil, nil, 0
}

// add sends an event, unless the interrupted run has. What the store refused
// then is sent again, for the reject file.
func (i *ingestion) add(ctx context.Context, e *profile.Event) error {
	i.seen++
	if i.seen < i.probe && !i.before.refused(i.seen) {
		i.report.Resumed++
		return nil
	}
	m := server.EventMessage(e)
	i.batch, i.numbers = append(i.batch, m), append(i.numbers, i.seen)
	i.size += m.SizeVT()
	if len(i.batch) < ingestBatch && i.size < ingestBytes && i.seen != i.probe {
		return nil
	}
	return i.flush(ctx)
}

// flush records the batch and notes what is acknowledged. The batch that ends
// with the probe tells whether the store has what the interrupted run sent, all
// of it, since it sent in order; the state file is gone meanwhile, so that a kill here begins again.
func (i *ingestion) flush(ctx context.Context) error {
	if len(i.batch) == 0 {
		return nil
	}
	if i.seen == i.probe {
		if err := os.Remove(i.stateFile); err != nil {
			return err
		}
	}
	results, err := recordBatch(ctx, i.client, i.batch)
	if err != nil {
		return err
	}
	for n, r := range results {
		if err := i.count(n, r); err != nil {
			return err
		}
	}
	if i.seen == i.probe && results[len(results)-1].GetStatus() != pb.EventStatus_EVENT_STATUS_DUPLICATE {
		i.early = i.report.Accepted
		return errOtherStore
	}
	i.batch, i.numbers, i.size = i.batch[:0], i.numbers[:0], 0
	if i.seen < i.probe {
		return nil
	}
	i.state.Acknowledged = i.seen
	data, err := json.Marshal(i.state)
	if err != nil {
		return err
	}
	return replaceFile(i.stateFile, data, 0o600)
}

// count notes what became of the batch's n-th event.
func (i *ingestion) count(n int, r *pb.EventResult) error {
	switch r.GetStatus() {
	case pb.EventStatus_EVENT_STATUS_ACCEPTED:
		i.report.Accepted++
	case pb.EventStatus_EVENT_STATUS_DUPLICATE:
		i.report.Duplicates++
	default:
		i.report.EventsRejected[r.GetReason()]++
		i.state.Rejected = append(i.state.Rejected, i.numbers[n])
		return i.writeReject([]string{"", r.GetReason(), r.GetDetail(), i.batch[n].GetEventId()})
	}
	return nil
}

func (i *ingestion) reject(r ingest.Reject) error {
	return i.writeReject(append([]string{strconv.Itoa(r.Row), r.Reason, r.Detail}, r.Fields...))
}

// writeReject appends to the reject file, which exists only if something was rejected.
func (i *ingestion) writeReject(record []string) (err error) {
	if i.rejectCSV == nil {
		if i.rejectFile, err = os.Create(i.rejects); err != nil {
			return err
		}
		i.report.RejectFile = i.rejects
		i.rejectCSV = csv.NewWriter(i.rejectFile)
		if err := i.rejectCSV.Write([]string{"row", "reason", "detail", "fields"}); err != nil {
			return err
		}
	}
	return i.rejectCSV.Write(record)
}

func (i *ingestion) closeRejects() error {
	if i.rejectCSV == nil {
		return nil
	}
	i.rejectCSV.Flush()
	err := errors.Join(i.rejectCSV.Error(), i.rejectFile.Close())
	i.rejectCSV = nil
	return err
}

func (i *ingestion) reportTable(w io.Writer) {
	r := &i.report
	row(w, "rows", r.Rows)
	row(w, "  lines of events", r.Lines)
	row(w, "  exact duplicates", r.Duplicate)
	row(w, "  anonymous", r.Anonymous, fmt.Sprintf("(%d with the duplicates among them)", r.Anonymous+r.AnonymousDuplicate))
	for _, reason := range slices.Sorted(maps.Keys(r.Excluded)) {
		row(w, "  left out: "+reason, r.Excluded[reason])
	}
	row(w, "  rejected", r.Rejected)
	row(w, "events", r.Purchases+r.Returns)
	row(w, "  purchases", r.Purchases)
	row(w, "  returns", r.Returns, fmt.Sprintf("(%d lines, %d customers, %d customer-days)", r.ReturnLines, r.ReturnCustomers, r.ReturnDays))
	row(w, "  of customers", r.Customers)
	row(w, "recorded", r.Accepted)
	row(w, "  recorded before", r.Duplicates+r.Resumed)
	for _, reason := range slices.Sorted(maps.Keys(r.EventsRejected)) {
		row(w, "  rejected: "+reason, r.EventsRejected[reason])
	}
	if r.RejectFile != "" {
		row(w, "reject file", r.RejectFile)
	}
}
