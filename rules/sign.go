package rules

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// Signature errors a caller branches on.
var (
	// ErrUnsigned is returned when a signature is required and absent.
	ErrUnsigned = errors.New("bundle is not signed")
	// ErrSignature is wrapped when a signature is malformed or does not match.
	ErrSignature = errors.New("bundle signature does not match")
)

// SignatureFile is the name a detached signature has beside or in a bundle. It is
// hidden, so that it is not part of the digest it signs.
const SignatureFile = ".signature"

// signedMessage is what is signed: a purpose, so that the signature fits nothing
// else, and the digest.
func signedMessage(digest string) []byte { return []byte("rebound bundle v1\n" + digest + "\n") }

// Sign returns the detached signature of a bundle's digest: "ed25519:" and base64.
func Sign(digest string, key ed25519.PrivateKey) (string, error) {
	if len(key) != ed25519.PrivateKeySize {
		return "", fmt.Errorf("sign bundle: the private key has %d bytes, not %d", len(key), ed25519.PrivateKeySize)
	}
	return "ed25519:" + base64.StdEncoding.EncodeToString(ed25519.Sign(key, signedMessage(digest))), nil
}

// Verify checks a detached signature against any of the trusted keys. The error
// is ErrUnsigned or wraps ErrSignature.
func Verify(digest, signature string, trusted []ed25519.PublicKey) error {
	signature = strings.TrimSpace(signature)
	if signature == "" {
		return ErrUnsigned
	}
	encoded, ok := strings.CutPrefix(signature, "ed25519:")
	if !ok {
		return fmt.Errorf("%w: expected \"ed25519:\" and base64", ErrSignature)
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	for _, key := range trusted {
		if len(key) == ed25519.PublicKeySize && ed25519.Verify(key, signedMessage(digest), raw) {
			return nil
		}
	}
	return fmt.Errorf("%w: none of %d trusted keys signed the digest %s", ErrSignature, len(trusted), digest)
}

// Key blocks in PEM.
const (
	privateBlock = "REBOUND BUNDLE PRIVATE KEY"
	publicBlock  = "REBOUND BUNDLE PUBLIC KEY"
)

// EncodeKeys returns a key pair as PEM.
func EncodeKeys(key ed25519.PrivateKey) (private, public []byte) {
	pub, _ := key.Public().(ed25519.PublicKey)
	return pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: key.Seed()}),
		pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: pub})
}

// ParsePrivateKey reads a private key of EncodeKeys.
func ParsePrivateKey(data []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != privateBlock || len(block.Bytes) != ed25519.SeedSize {
		return nil, fmt.Errorf("read private key: expected a PEM block %q of %d bytes", privateBlock, ed25519.SeedSize)
	}
	return ed25519.NewKeyFromSeed(block.Bytes), nil
}

// ParsePublicKeys reads one or more public keys of EncodeKeys.
func ParsePublicKeys(data []byte) ([]ed25519.PublicKey, error) {
	var out []ed25519.PublicKey
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		if block.Type != publicBlock || len(block.Bytes) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("read public keys: expected PEM blocks %q of %d bytes", publicBlock, ed25519.PublicKeySize)
		}
		out = append(out, ed25519.PublicKey(block.Bytes))
		data = rest
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("read public keys: no PEM block %q", publicBlock)
	}
	return out, nil
}
