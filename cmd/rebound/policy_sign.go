package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rebound-engine/rebound/rules"
)

func (a *app) policyKeygenCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "keygen NAME",
		Short: "Make a key pair to sign bundles with: NAME.key (keep it secret) and NAME.pub",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, given []string) error {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				return fmt.Errorf("make key: %w", err)
			}
			private, public := rules.EncodeKeys(key)
			if err := writeNew(given[0]+".key", private, 0o600); err != nil {
				return err
			}
			return writeNew(given[0]+".pub", public, 0o644)
		},
	}
}

// writeNew writes a file that must not exist: a key is never overwritten.
func writeNew(name string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return usageErrorf("%w; choose another name", err)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// readKey reads the key file of a flag.
func readKey(flag, name string) ([]byte, error) {
	if name == "" {
		return nil, usageErrorf("%s is needed; policy keygen makes a pair of keys", flag)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, usageErrorf("%s: %w", flag, err)
	}
	return data, nil
}

func (a *app) policySignCmd() *cobra.Command {
	var keyFile string
	cmd := &cobra.Command{
		Use:   "sign DIR",
		Short: "Sign a bundle that compiles, in " + rules.SignatureFile + " beside company.yaml",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, dirs []string) error {
			data, err := readKey("--key", keyFile)
			if err != nil {
				return err
			}
			key, err := rules.ParsePrivateKey(data)
			if err != nil {
				return usageErrorf("--key %s: %w", keyFile, err)
			}
			d, err := readBundle(dirs[0])
			if err != nil {
				return err
			}
			b, err := a.compile(d)
			if err != nil {
				return err
			}
			signature, err := rules.Sign(b.Digest(), key)
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(d.path, rules.SignatureFile), []byte(signature+"\n"), 0o644)
		},
	}
	cmd.Flags().StringVar(&keyFile, "key", "", "private key, as policy keygen writes it")
	return cmd
}

func (a *app) policyVerifyCmd() *cobra.Command {
	var keyFile string
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Check that a trusted key signed a bundle as it is",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, dirs []string) error {
			data, err := readKey("--trust", keyFile)
			if err != nil {
				return err
			}
			trusted, err := rules.ParsePublicKeys(data)
			if err != nil {
				return usageErrorf("--trust %s: %w", keyFile, err)
			}
			d, err := readBundle(dirs[0])
			if err != nil {
				return err
			}
			if err := rules.Verify(rules.Digest(d.files), d.signature, trusted); err != nil {
				return fmt.Errorf("%s: %w", d.path, err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&keyFile, "trust", "", "file of public keys, as policy keygen writes them")
	return cmd
}
