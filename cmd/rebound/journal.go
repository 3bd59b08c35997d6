package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

func (a *app) journalCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "journal", Short: "Read the logged decisions"}
	cmd.AddCommand(a.journalQueryCmd(), a.journalTailCmd())
	return cmd
}

// filterFlags are the conditions of query and tail.
type filterFlags struct{ customer, from, until, scope, outcome string }

func (f *filterFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.customer, "customer", "", "only of this customer, NAMESPACE:VALUE")
	cmd.Flags().StringVar(&f.from, "from", "", "only at or after, RFC 3339 or a date")
	cmd.Flags().StringVar(&f.until, "until", "", "only before, RFC 3339 or a date")
	cmd.Flags().StringVar(&f.scope, "scope", "", "only this scope and those below")
	cmd.Flags().StringVar(&f.outcome, "outcome", "", "only OFFER, NO_OFFER, HOLDOUT or FALLBACK")
}

func (f *filterFlags) message() (*pb.DecisionFilter, error) {
	out := &pb.DecisionFilter{Scope: f.scope}
	var err error
	if f.customer != "" {
		if out.CustomerId, err = customerID(f.customer); err != nil {
			return nil, err
		}
	}
	if out.From, err = timestamp("--from", f.from); err != nil {
		return nil, err
	}
	if out.Until, err = timestamp("--until", f.until); err != nil {
		return nil, err
	}
	if f.outcome != "" {
		n, ok := pb.Outcome_value["OUTCOME_"+strings.ToUpper(f.outcome)]
		if !ok {
			return nil, usageErrorf("--outcome %s: give OFFER, NO_OFFER, HOLDOUT or FALLBACK", f.outcome)
		}
		out.Outcome = pb.Outcome(n)
	}
	return out, nil
}

func timestamp(flag, text string) (*timestamppb.Timestamp, error) {
	if text == "" {
		return nil, nil
	}
	t, err := parseTime(text)
	if err != nil {
		return nil, usageErrorf("%s: %w", flag, err)
	}
	return timestamppb.New(t), nil
}

// parseTime reads RFC 3339 or a date (midnight UTC).
func parseTime(text string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%q is neither a date (2026-10-05) nor RFC 3339 (2026-10-05T15:00:00Z)", text)
	}
	return t, nil
}

func (a *app) journalQueryCmd() *cobra.Command {
	var f filterFlags
	var limit int
	var oldest bool
	cmd := &cobra.Command{
		Use:   "query",
		Short: "Find decisions by customer, time, scope and outcome",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := f.message()
			if err != nil {
				return err
			}
			s, err := a.connectExisting(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close() //nolint:errcheck // the answer is there
			entries, err := queryDecisions(cmd.Context(), s.Journal, filter, oldest, limit)
			if err != nil {
				return err
			}
			return a.print(&pb.QueryDecisionsResponse{Entries: entries}, func(w io.Writer) {
				row(w, "TIME", "DECISION", "SCOPE", "OUTCOME", "OFFER", "PROPENSITY")
				for _, e := range entries {
					entryRow(w, e)
				}
			})
		},
	}
	f.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 100, "how many at most; 0 is all")
	cmd.Flags().BoolVar(&oldest, "oldest-first", false, "oldest first")
	a.stateFlags(cmd)
	return cmd
}

func queryDecisions(ctx context.Context, c pb.JournalServiceClient, f *pb.DecisionFilter, oldest bool, limit int) ([]*pb.DecisionEntry, error) {
	var out []*pb.DecisionEntry
	for token := ""; ; {
		size := 1000
		if limit > 0 {
			size = min(size, limit-len(out))
		}
		page, err := c.QueryDecisions(ctx, &pb.QueryDecisionsRequest{Filter: f, PageSize: int32(size), PageToken: token, OldestFirst: oldest})
		if err != nil {
			return nil, err
		}
		out = append(out, page.GetEntries()...)
		if token = page.GetNextPageToken(); token == "" || limit > 0 && len(out) >= limit {
			return out, nil
		}
	}
}

func entryRow(w io.Writer, e *pb.DecisionEntry) {
	d := e.GetDecision()
	scope, offer := e.GetScope(), "-"
	if scope == "" {
		scope = "company"
	}
	if d.GetOffer() != nil {
		offer = d.GetOffer().GetOfferId()
	}
	row(w, d.GetDecidedAt().AsTime().Format(time.RFC3339), d.GetDecisionId(), scope, enumWord(d.GetOutcome().String(), "OUTCOME_"), offer, fmt.Sprintf("%.4f", d.GetPropensity()))
}

func (a *app) journalTailCmd() *cobra.Command {
	var f filterFlags
	var after uint64
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Print decisions as JSON lines as they are logged",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := f.message()
			if err != nil {
				return err
			}
			s, err := a.connectExisting(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close() //nolint:errcheck // the answer is there
			stream, err := s.Journal.TailDecisions(cmd.Context(), &pb.TailDecisionsRequest{Filter: filter, AfterPosition: after})
			if err != nil {
				return err
			}
			for {
				item, err := stream.Recv()
				if errors.Is(err, io.EOF) || cmd.Context().Err() != nil {
					return nil
				}
				if err == nil {
					err = jsonLine(a.out, item.GetEntry())
				}
				if err != nil {
					return err
				}
			}
		},
	}
	f.add(cmd)
	cmd.Flags().Uint64Var(&after, "after", 0, "begin after this log position; 0 begins with the next decision")
	a.stateFlags(cmd)
	return cmd
}

// jsonLine writes a message as one line of JSON.
func jsonLine(w io.Writer, m proto.Message) error {
	data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return err
	}
	var line bytes.Buffer
	if err := json.Compact(&line, data); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, line.String())
	return err
}
