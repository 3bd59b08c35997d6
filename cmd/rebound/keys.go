package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rebound-engine/rebound/engine"
)

// secrets are what the draw and the offer tokens depend on. They belong in the
// retailer's configuration; a store without them makes its own at the first start.
type secrets struct {
	SaltName string            `json:"salt_name"`
	Salt     []byte            `json:"salt"`
	Current  string            `json:"current_token_key"`
	Tokens   map[string][]byte `json:"token_keys"` // base64, at least 16 bytes each
}

// loadSecrets reads the file; with create it is made if it does not exist.
func loadSecrets(file string, create bool) (*secrets, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && create {
		return makeSecrets(file)
	}
	if err != nil {
		return nil, err
	}
	s := &secrets{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("keys %s: %w", file, err)
	}
	if len(s.Salt) == 0 {
		return nil, fmt.Errorf("keys %s: salt is missing", file)
	}
	return s, nil
}

func makeSecrets(file string) (*secrets, error) {
	s := &secrets{SaltName: "salt-1", Salt: random(16), Current: "key-1", Tokens: map[string][]byte{"key-1": random(32)}}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	return s, os.WriteFile(file, data, 0o600)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func (s *secrets) tokenKeys() (*engine.TokenKeys, error) {
	return engine.NewTokenKeys(s.Current, s.Tokens)
}

// fixedSecrets derives secrets from a word, for replays and demonstrations that must draw the same every time.
func fixedSecrets(word string) *secrets {
	salt, key := sha256.Sum256([]byte("salt:"+word)), sha256.Sum256([]byte("token:"+word))
	return &secrets{SaltName: word, Salt: salt[:], Current: "fixed", Tokens: map[string][]byte{"fixed": key[:]}}
}
