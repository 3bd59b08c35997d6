package main

import (
	"io"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/rebound-engine/rebound/engine/profile"
	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/server"
	"github.com/rebound-engine/rebound/sim"
)

func (a *app) simCmd() *cobra.Command {
	cfg := sim.DefaultConfig()
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Write the events of a simulated retailer as JSON lines",
		Long: `Sim writes the events of the simulated retailer of docs/simulator.md in time order,
as the messages of RecordEvents and PutProfiles: one JSON object a line.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := sim.New(cfg)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			return writeSimulation(cmd, r, a.out)
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&cfg.Seed, "seed", cfg.Seed, "of the simulation")
	f.IntVar(&cfg.Customers, "customers", cfg.Customers, "customers")
	f.IntVar(&cfg.Days, "days", cfg.Days, "days")
	f.IntVar(&cfg.Stores, "stores", cfg.Stores, "stores")
	f.Float64Var(&cfg.Swindlers, "swindlers", cfg.Swindlers, "share of customers who abuse returns and incentives")
	cmd.AddCommand(a.simCampaignCmd())
	return cmd
}

func writeSimulation(cmd *cobra.Command, r *sim.Retailer, w io.Writer) error {
	for cmd.Context().Err() == nil {
		e, ok := r.Next()
		if !ok {
			return nil
		}
		if err := jsonLine(w, eventOrDeclaration(e)); err != nil {
			return err
		}
	}
	return cmd.Context().Err()
}

func eventOrDeclaration(e *profile.Event) proto.Message {
	if e.Kind == profile.KindAttributes {
		return declaration(e)
	}
	return server.EventMessage(e)
}

// declaration asks for the attributes of an event to be recorded at its own time.
func declaration(e *profile.Event) *pb.PutProfilesRequest {
	return &pb.PutProfilesRequest{RequestId: e.ID, Profiles: []*pb.DeclaredAttributes{server.AttributesMessage(e)}, Time: timestampOf(e.Time)}
}
