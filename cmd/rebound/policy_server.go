package main

import (
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	pb "github.com/rebound-engine/rebound/proto/rebound/v1"
	"github.com/rebound-engine/rebound/rules"
)

func (a *app) policyActivateCmd() *cobra.Command {
	var expect, request string
	cmd := &cobra.Command{
		Use:     "activate DIR",
		Short:   "Make a bundle the one a server decides by",
		Example: "  rebound policy activate --addr 127.0.0.1:7420 policies",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, dirs []string) error {
			d, err := readBundle(dirs[0])
			if err != nil {
				return err
			}
			if _, err := a.compile(d); err != nil {
				return err
			}
			if d.signature != "" {
				d.files[rules.SignatureFile] = []byte(d.signature)
			}
			return a.withServer(cmd.Context(), func(s *session) error {
				resp, err := s.Policies.ActivateBundle(cmd.Context(), &pb.ActivateBundleRequest{
					RequestId: requestID(request), Bundle: bundleMessage(d.files), ExpectedDigest: expect,
				})
				if err != nil {
					return err
				}
				return a.print(resp, func(w io.Writer) { statusTable(w, resp.GetStatus(), resp.GetPreviousDigest()) })
			})
		},
	}
	changeFlags(cmd, &expect, &request)
	a.stateFlags(cmd)
	return cmd
}

func changeFlags(cmd *cobra.Command, expect, request *string) {
	cmd.Flags().StringVar(expect, "expect", "", "digest that must be active; with another one nothing changes")
	cmd.Flags().StringVar(request, "request-id", "", "id of the change; repeating it changes nothing (default: a new one)")
}

func requestID(given string) string {
	if given != "" {
		return given
	}
	return uuid.NewString()
}

func (a *app) policyRollbackCmd() *cobra.Command {
	var expect, request, digest string
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "Make an earlier bundle the one a server decides by",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withServer(cmd.Context(), func(s *session) error {
				resp, err := s.Policies.RollbackBundle(cmd.Context(), &pb.RollbackBundleRequest{
					RequestId: requestID(request), ExpectedDigest: expect, Digest: digest,
				})
				if err != nil {
					return err
				}
				return a.print(resp, func(w io.Writer) { statusTable(w, resp.GetStatus(), resp.GetPreviousDigest()) })
			})
		},
	}
	cmd.Flags().StringVar(&digest, "digest", "", "bundle to go back to (default: the one before)")
	changeFlags(cmd, &expect, &request)
	a.stateFlags(cmd)
	return cmd
}

func (a *app) policyStatusCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show which bundle a server decides by, and where it came from",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withServer(cmd.Context(), func(s *session) error {
				resp, err := s.Policies.GetEffectivePolicy(cmd.Context(), &pb.GetEffectivePolicyRequest{})
				if err != nil {
					return err
				}
				return a.print(resp.GetStatus(), func(w io.Writer) { statusTable(w, resp.GetStatus(), "") })
			})
		},
	}
	a.stateFlags(cmd)
	return cmd
}

func statusTable(w io.Writer, s *pb.BundleStatus, previous string) {
	row(w, "bundle", s.GetName())
	row(w, "version", s.GetVersion())
	row(w, "digest", s.GetDigest())
	row(w, "source", enumWord(s.GetSource().String(), "BUNDLE_SOURCE_"))
	row(w, "activated", s.GetActivatedAt().AsTime().Format(time.RFC3339))
	row(w, "log position", s.GetPosition())
	if previous != "" {
		row(w, "before", previous)
	}
}
