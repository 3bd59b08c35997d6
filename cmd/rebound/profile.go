package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
)

func (a *app) profileCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "profile", Short: "Show, hand over or erase what is known of a customer"}
	cmd.AddCommand(a.profileGetCmd(), a.profileExportCmd(), a.profileEraseCmd())
	return cmd
}

// customerID reads NAMESPACE:VALUE; the value may contain colons.
func customerID(arg string) (*pb.CustomerId, error) {
	ns, value, ok := strings.Cut(arg, ":")
	if !ok || ns == "" || value == "" {
		return nil, usageErrorf("customer %q: give NAMESPACE:VALUE, e.g. loyalty:12345", arg)
	}
	return &pb.CustomerId{Namespace: ns, Value: value}, nil
}

func (a *app) profileGetCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get NAMESPACE:VALUE",
		Short: "Show a customer's features",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, arg []string) error {
			id, err := customerID(arg[0])
			if err != nil {
				return err
			}
			s, err := a.connectExisting(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close() //nolint:errcheck // the answer is there
			resp, err := s.Profiles.GetProfile(cmd.Context(), &pb.GetProfileRequest{CustomerId: id})
			if err != nil {
				return err
			}
			return a.print(resp.GetProfile(), func(w io.Writer) { profileTable(w, resp.GetProfile()) })
		},
	}
	a.stateFlags(cmd)
	return cmd
}

func profileTable(w io.Writer, p *pb.Profile) {
	row(w, "FEATURE", "VALUE", "UNIT", "PURPOSE")
	for _, f := range p.GetFeatures() {
		purpose := "personal"
		if f.GetSecurity() {
			purpose = "security"
		}
		row(w, f.GetName(), featureValue(f), f.GetUnit(), purpose)
	}
}

func featureValue(f *pb.ProfileFeature) string {
	switch v := f.GetValue().(type) {
	case *pb.ProfileFeature_Number:
		return fmt.Sprintf("%.6g", v.Number)
	case *pb.ProfileFeature_Flag:
		return fmt.Sprint(v.Flag)
	case *pb.ProfileFeature_Text:
		return v.Text
	case *pb.ProfileFeature_Texts:
		return strings.Join(v.Texts.GetValues(), ", ")
	default:
		return "-"
	}
}

func (a *app) profileExportCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export NAMESPACE:VALUE",
		Short: "Write all that is kept of a customer as JSON lines",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, arg []string) error {
			id, err := customerID(arg[0])
			if err != nil {
				return err
			}
			s, err := a.connectExisting(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close() //nolint:errcheck // the answer is there
			stream, err := s.Profiles.ExportProfile(cmd.Context(), &pb.ExportProfileRequest{CustomerId: id})
			if err != nil {
				return err
			}
			for {
				item, err := stream.Recv()
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err == nil {
					err = jsonLine(a.out, item)
				}
				if err != nil {
					return err
				}
			}
		},
	}
	a.stateFlags(cmd)
	return cmd
}

func (a *app) profileEraseCmd() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "erase NAMESPACE:VALUE",
		Short: "Erase a customer: profile, events and decisions",
		Long: `Erase removes a customer's profile, events and decisions. From then on nobody reads
anything of them. On the disk the log is overwritten at once; the records are when the
store is closed: with --store before this verb ends, else when the server stops.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, arg []string) error {
			id, err := customerID(arg[0])
			if err != nil {
				return err
			}
			if !yes {
				return usageErrorf("erasing %s cannot be undone; repeat with --yes", arg[0])
			}
			s, err := a.connectExisting(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close() //nolint:errcheck // the answer is there
			resp, err := s.Profiles.EraseProfile(cmd.Context(), &pb.EraseProfileRequest{RequestId: uuid.NewString(), CustomerId: id})
			if err != nil {
				return err
			}
			return a.print(resp, func(w io.Writer) { row(w, "erased", arg[0], "position", resp.GetPosition()) })
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "really erase")
	a.stateFlags(cmd)
	return cmd
}
