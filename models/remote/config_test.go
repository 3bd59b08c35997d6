package remote_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/models/remote"
	"github.com/rebound-engine/rebound/models/remote/remotetest"
	"github.com/rebound-engine/rebound/proto/inference"
)

// TestValidateReportsEverything gives a descriptor with many mistakes and wants each named.
func TestValidateReportsEverything(t *testing.T) {
	c := parse(t, "", `
timeout: 2m
max_in_flight: -1
failures: -1
unit: pieces
features: [a, a, {name: b, no_offer: 1}]
offer_features: [offer.percent]
offers: [ten, ten]
inputs: [{name: x, datatype: FP16, columns: [a]}, {name: y, columns: [nobody]}, {datatype: FP32}, {name: z, datatype: BYTES, columns: [b]}]
output: {name: p, columns: {ten: -1, thirty: 2}}
lower: {name: l}
half_width: .inf
`)
	err := c.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"target:", "model:", "timeout:", "max_in_flight:", "failures:", "outcome:", `unit: "pieces"`, `"a" is empty or there twice`,
		`"b" describes no offer`, `offers: "ten"`, `"FP16"`, `"nobody" is no feature`, "a tensor without a name", `"b" is a number`,
		"no tensor has the feature \"offer.percent\"", "reads no offer features", "lower: both bounds", "half_width: +Inf", "columns lacks none",
		`column 2 of "thirty"`, `column -1 of "ten"`, "or none has",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %s in\n%v", want, err)
		}
	}
}

func TestPlaintextStaysOnTheHost(t *testing.T) {
	for target, local := range map[string]bool{
		"localhost:8081": true, "127.0.0.1:8081": true, "[::1]:8081": true, "unix:/run/x.sock": true, "dns:///localhost:1": true,
		"mlserver:8081": false, "10.0.0.1:8081": false, "dns:///mlserver:8081": false, "localhost.example.com:80": false, "passthrough:///10.0.0.1:80": false,
	} {
		c := parse(t, target, sLearner)
		if err := c.Validate(); (err == nil) != local {
			t.Errorf("%s: %v", target, err)
		}
		c.Plaintext = true
		if err := c.Validate(); err != nil {
			t.Errorf("%s with plaintext: %v", target, err)
		}
	}
}

func TestDescriptorsAreStrict(t *testing.T) {
	for name, text := range map[string]string{
		"unknown key":           "modell: x",
		"unknown key of output": "output: {nam: x}",
		"unknown key of input":  "inputs: [{name: x, dtype: FP32}]",
		"unknown feature key":   "features: [{name: x, level: [a]}]",
		"no unit of time":       "timeout: 5",
		"negative time":         "timeout: -5ms",
		"alias":                 "features: &a [x]\noffer_features: *a",
		"two documents":         "model: x\n---\nmodel: y",
		"empty":                 "",
		"not YAML":              "{",
		"too large":             "model: " + strings.Repeat("x", 300<<10),
	} {
		if _, err := remote.Parse([]byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if c, err := remote.Parse([]byte(`{"model": "x", "timeout": "3ms", "features": ["a"]}`)); err != nil || c.Model != "x" || time.Duration(c.Timeout) != 3*time.Millisecond {
		t.Errorf("JSON: %+v, %v", c, err)
	}
}

func TestCompleteFromBundle(t *testing.T) {
	bundle := models.Schema{Outcome: "purchase", Unit: "probability", Window: 30 * 24 * time.Hour, Offers: []string{"ten"}}
	c := parse(t, "localhost:1", "model: x\nfeatures: [a]\n")
	if err := c.Complete(bundle); err != nil {
		t.Fatal(err)
	}
	m := open(t, c, remote.Options{})
	if s := m.Schema(); s.Outcome != "purchase" || s.Unit != "probability" || s.Window != bundle.Window || len(s.Offers) != 1 {
		t.Errorf("schema %+v", s)
	}
	for _, text := range []string{"outcome: visit\n", "unit: money\n"} {
		c := parse(t, "localhost:1", "model: x\nfeatures: [a]\n"+text)
		if c.Complete(bundle) == nil {
			t.Errorf("%q agrees with the bundle", text)
		}
	}
}

func TestCheck(t *testing.T) {
	f := newFake()
	at, stop := f.Serve(t, "")
	m := open(t, parse(t, at, sLearner), remote.Options{})
	tensors := func(name, datatype string, columns int64) []*inference.ModelMetadataResponse_TensorMetadata {
		return []*inference.ModelMetadataResponse_TensorMetadata{{Name: name, Datatype: datatype, Shape: []int64{-1, columns}}}
	}
	good := &inference.ModelMetadataResponse{Inputs: tensors("predict", "FP64", 3), Outputs: tensors("predict", "FP64", 1)}
	for name, c := range map[string]struct {
		meta *inference.ModelMetadataResponse
		fits bool
	}{
		"says nothing":    {&inference.ModelMetadataResponse{}, true},
		"agrees":          {good, true},
		"free shape":      {&inference.ModelMetadataResponse{Inputs: tensors("predict", "FP64", -1)}, true},
		"another input":   {&inference.ModelMetadataResponse{Inputs: tensors("x", "FP64", 3)}, false},
		"another type":    {&inference.ModelMetadataResponse{Inputs: tensors("predict", "FP32", 3)}, false},
		"more columns":    {&inference.ModelMetadataResponse{Inputs: tensors("predict", "FP64", 4)}, false},
		"one more input":  {&inference.ModelMetadataResponse{Inputs: append(tensors("predict", "FP64", 3), tensors("y", "FP64", 1)...)}, false},
		"another output":  {&inference.ModelMetadataResponse{Inputs: good.GetInputs(), Outputs: tensors("label", "FP64", 1)}, false},
		"no such output":  {&inference.ModelMetadataResponse{Outputs: tensors("label", "FP64", 1)}, false},
		"nothing but out": {&inference.ModelMetadataResponse{Outputs: good.GetOutputs()}, true},
	} {
		f.Describes(c.meta)
		if err := m.Check(t.Context()); (err == nil) != c.fits || err != nil && !errors.Is(err, remote.ErrMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.NotReady()
	if err := m.Check(t.Context()); err == nil || errors.Is(err, remote.ErrMismatch) {
		t.Errorf("not ready: %v", err)
	}
	stop()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := m.Check(ctx); err == nil || errors.Is(err, remote.ErrMismatch) {
		t.Errorf("down: %v", err)
	}
}

// certificate makes a self-signed certificate for a name.
func certificate(t *testing.T, name string) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestTLS(t *testing.T) {
	f := newFake()
	cert, ca := certificate(t, "models.example")
	_, other := certificate(t, "models.example")
	at, _ := f.Serve(t, "", remotetest.Secure(credentials.NewServerTLSFromCert(&cert)))
	files := func(path string) ([]byte, error) {
		switch path {
		case "models/ca.pem":
			return ca, nil
		case "models/other.pem":
			return other, nil
		case "models/bad.pem":
			return []byte("no certificate"), nil
		}
		return nil, errors.New("no such file")
	}
	ask := func(tls string) error {
		m, err := remote.New(parse(t, at, sLearner+tls), remote.Options{File: files})
		if err != nil {
			return err
		}
		defer m.Close()
		return m.Score(t.Context(), []float64{50, 1}, []models.Candidate{ten}, make([]models.Score, 1))
	}
	if err := ask("tls: {ca: models/ca.pem, server_name: models.example}"); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{
		"tls: {}", "tls: {ca: models/ca.pem}", "tls: {ca: models/other.pem, server_name: models.example}",
		"tls: {ca: models/bad.pem}", "tls: {ca: models/none.pem}",
	} {
		if ask(bad) == nil {
			t.Errorf("%s: the server was trusted", bad)
		}
	}
}

func ExampleParse() {
	c, err := remote.Parse([]byte(`
target: mlserver.internal:8081
tls: {}
model: purchase
timeout: 4ms
outcome: purchase
unit: probability
features: [customer.recency_days, ret.refund_value]
offer_features: [offer.percent]
offers: [ten, twenty]
output: {name: predict_proba, column: 1}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := remote.New(c, remote.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	fmt.Println(m.Schema().Outcome, len(m.Schema().Features), m.Schema().Offers)
	// Output: purchase 2 [ten twenty]
}
