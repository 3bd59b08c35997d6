package models

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Artifact limits. A header above them is refused before it is parsed.
const (
	artifactMagic   = "RBMODEL\n"
	artifactVersion = 1
	prologueSize    = 56        // magic, version, header length, payload length, SHA-256
	maxHeader       = 1 << 20   // 1 MiB
	maxHeaderTokens = 8192      // commas and opening brackets in the header: bounds what parsing allocates
	maxPayload      = 256 << 20 // 256 MiB
)

// ErrVersion is wrapped when an artifact was written by a newer format.
var ErrVersion = errors.New("unsupported model artifact version")

// Kinds of native artifacts.
const (
	KindPrior   = "prior"   // assumed lifts
	KindAdapted = "adapted" // functions fitted elsewhere: an Adapter of tree ensembles
	KindUplift  = "uplift"  // learned baseline and effects: linear models, boosted trees, forests and their blends
)

// Card is the model card: what a model is, what it was trained on and how it
// was judged. It is written as JSON into the artifact's header.
type Card struct {
	Kind     string     `json:"kind"` // KindPrior, KindUplift or KindAdapted
	Name     string     `json:"name,omitempty"`
	Schema   CardSchema `json:"schema"`
	Training *Training  `json:"training,omitempty"`
	Learner  string     `json:"learner,omitempty"`  // what the tournament picked
	Settings string     `json:"settings,omitempty"` // its settings
	Metrics  []Metric   `json:"metrics,omitempty"`
	Notes    []string   `json:"notes,omitempty"` // findings of the data check, reasons of a fallback
	// Reference is how inputs and scores were distributed at training: what later ones are compared with.
	Reference []Distribution `json:"reference,omitempty"`
	CreatedBy string         `json:"created_by,omitempty"`
}

// Names of the distributions of scores in Card.Reference; inputs go by their own names.
const (
	ReferenceWithout = "score.without"
	ReferenceUplift  = "score.uplift." // and the offer's id
)

// Distribution is an input or score at training, in bins: x is in bin i if
// Edges[i-1] < x <= Edges[i]. Counts has an entry per bin and a last one for missing values.
type Distribution struct {
	Name   string    `json:"name"`
	Edges  []float64 `json:"edges"`
	Counts []float64 `json:"counts"`
}

// Training says what data a model learned from.
type Training struct {
	From       time.Time `json:"from,omitzero"` // first and last decision in the data, if they carry times
	To         time.Time `json:"to,omitzero"`
	Rows       int       `json:"rows"`
	ArmRows    []int     `json:"arm_rows,omitempty"` // without an offer, then per offer
	DataSHA256 string    `json:"data_sha256"`        // over all columns, see learner.Dataset.Digest
	Seeds      []uint64  `json:"seeds,omitempty"`
	Seconds    float64   `json:"seconds,omitempty"` // wall time of the training
}

// Metric is one figure of the model card with its 95 % interval where known.
type Metric struct {
	Name  string  `json:"name"` // e.g. "qini", "policy_value_dr"
	Arm   string  `json:"arm,omitempty"`
	Value float64 `json:"value"`
	Lower float64 `json:"lower,omitempty"`
	Upper float64 `json:"upper,omitempty"`
}

// CardSchema is the JSON form of Schema.
type CardSchema struct {
	Outcome       string        `json:"outcome"`
	Unit          string        `json:"unit"`
	WindowSeconds int64         `json:"window_seconds,omitempty"`
	Features      []CardFeature `json:"features,omitempty"`
	OfferFeatures []CardFeature `json:"offer_features,omitempty"`
	Offers        []string      `json:"offers,omitempty"`
	Assumed       bool          `json:"assumed,omitempty"`
}

// CardFeature is the JSON form of Feature.
type CardFeature struct {
	Name   string   `json:"name"`
	Type   string   `json:"type"` // "number" or "category"
	Levels []string `json:"levels,omitempty"`
}

// NewCardSchema turns a schema into its JSON form.
func NewCardSchema(s *Schema) CardSchema {
	return CardSchema{
		Outcome: s.Outcome, Unit: s.Unit, WindowSeconds: int64(s.Window / time.Second),
		Features: cardFeatures(s.Features), OfferFeatures: cardFeatures(s.OfferFeatures),
		Offers: s.Offers, Assumed: s.Assumed,
	}
}

func cardFeatures(fs []Feature) []CardFeature {
	out := make([]CardFeature, 0, len(fs))
	for _, f := range fs {
		t := "number"
		if f.Type == Category {
			t = "category"
		}
		out = append(out, CardFeature{Name: f.Name, Type: t, Levels: f.Levels})
	}
	return out
}

// Schema turns the JSON form back into a schema.
func (c CardSchema) Schema() (*Schema, error) {
	switch c.Unit {
	case "probability", "count", "money":
	default:
		return nil, fmt.Errorf("%w: unit %q is not probability, count or money", ErrCorrupt, c.Unit)
	}
	if c.WindowSeconds < 0 || c.WindowSeconds > 1<<32 {
		return nil, fmt.Errorf("%w: window of %d seconds", ErrCorrupt, c.WindowSeconds)
	}
	s := &Schema{Outcome: c.Outcome, Unit: c.Unit, Window: time.Duration(c.WindowSeconds) * time.Second, Offers: c.Offers, Assumed: c.Assumed}
	var err error
	if s.Features, err = featuresOf(c.Features); err != nil {
		return nil, err
	}
	s.OfferFeatures, err = featuresOf(c.OfferFeatures)
	return s, err
}

func featuresOf(cs []CardFeature) ([]Feature, error) {
	out := make([]Feature, 0, len(cs))
	for _, c := range cs {
		f := Feature{Name: c.Name, Levels: c.Levels}
		switch c.Type {
		case "number":
		case "category":
			f.Type = Category
		default:
			return nil, fmt.Errorf("%w: feature %q has type %q, want number or category", ErrCorrupt, c.Name, c.Type)
		}
		out = append(out, f)
	}
	return out, nil
}

// nativeModel is a model that has a native payload.
type nativeModel interface {
	Model
	kind() string
	encodePayload(e *encoder) error
}

// Encode writes a native model (*Prior, *Uplift, *Adapter) with its card as one
// artifact. Kind and schema of the card are taken from the model.
func Encode(m Model, card Card) ([]byte, error) {
	n, ok := m.(nativeModel)
	if !ok {
		return nil, fmt.Errorf("encode model: %T has no native artifact form", m)
	}
	card.Kind, card.Schema = n.kind(), NewCardSchema(m.Schema())
	header, err := json.Marshal(card)
	if err != nil {
		return nil, fmt.Errorf("encode model card: %w", err)
	}
	if err := checkHeader(header); err != nil {
		return nil, fmt.Errorf("encode model card: %w", err)
	}
	var e encoder
	if err := n.encodePayload(&e); err != nil {
		return nil, fmt.Errorf("encode model payload: %w", err)
	}
	if len(e.b) > maxPayload {
		return nil, fmt.Errorf("encode model payload: %d bytes, at most %d", len(e.b), maxPayload)
	}
	out := make([]byte, prologueSize, prologueSize+len(header)+len(e.b))
	copy(out, artifactMagic)
	binary.LittleEndian.PutUint32(out[8:], artifactVersion)
	binary.LittleEndian.PutUint32(out[12:], uint32(len(header)))
	binary.LittleEndian.PutUint64(out[16:], uint64(len(e.b)))
	out = append(append(out, header...), e.b...)
	sum := artifactSum(out)
	copy(out[24:], sum[:])
	return out, nil
}

// artifactSum hashes everything but the hash.
func artifactSum(b []byte) [32]byte {
	h := sha256.New()
	h.Write(b[:24])
	h.Write(b[prologueSize:])
	return [32]byte(h.Sum(nil))
}

// Digest is the artifact's identity: the hex SHA-256 it carries. Empty if b
// is too short to be an artifact.
func Digest(b []byte) string {
	if len(b) < prologueSize {
		return ""
	}
	return hex.EncodeToString(b[24:prologueSize])
}

// IsArtifact reports whether b starts like a native artifact.
func IsArtifact(b []byte) bool { return bytes.HasPrefix(b, []byte(artifactMagic)) }

// checkHeader bounds what parsing a header can cost.
func checkHeader(h []byte) error {
	if len(h) > maxHeader {
		return fmt.Errorf("%w: header of %d bytes, at most %d", ErrCorrupt, len(h), maxHeader)
	}
	tokens := 0
	for _, c := range h {
		if c == ',' || c == '{' || c == '[' {
			tokens++
		}
	}
	if tokens > maxHeaderTokens {
		return fmt.Errorf("%w: header with %d elements, at most %d", ErrCorrupt, tokens, maxHeaderTokens)
	}
	return nil
}

// sections checks prologue and checksum and splits an artifact.
func sections(b []byte) (header, payload []byte, err error) {
	if !IsArtifact(b) {
		return nil, nil, fmt.Errorf("%w: does not start with the magic bytes", ErrCorrupt)
	}
	if len(b) < prologueSize {
		return nil, nil, fmt.Errorf("%w: %d bytes are shorter than the prologue", ErrCorrupt, len(b))
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != artifactVersion {
		return nil, nil, fmt.Errorf("%w: %d, this build reads %d", ErrVersion, v, artifactVersion)
	}
	hl, pl := uint64(binary.LittleEndian.Uint32(b[12:])), binary.LittleEndian.Uint64(b[16:])
	if hl > maxHeader || pl > maxPayload || prologueSize+hl+pl != uint64(len(b)) {
		return nil, nil, fmt.Errorf("%w: header of %d and payload of %d bytes claimed in a file of %d", ErrCorrupt, hl, pl, len(b))
	}
	if sum := artifactSum(b); !bytes.Equal(sum[:], b[24:prologueSize]) {
		return nil, nil, fmt.Errorf("%w: checksum does not match", ErrCorrupt)
	}
	return b[prologueSize : prologueSize+hl], b[prologueSize+hl:], nil
}

// ReadCard reads only the model card of an artifact, checksum verified.
func ReadCard(b []byte) (*Card, error) {
	header, _, err := sections(b)
	if err != nil {
		return nil, fmt.Errorf("read model card: %w", err)
	}
	return parseCard(header)
}

func parseCard(header []byte) (*Card, error) {
	if err := checkHeader(header); err != nil {
		return nil, err
	}
	card := new(Card)
	dec := json.NewDecoder(bytes.NewReader(header))
	dec.DisallowUnknownFields()
	if err := dec.Decode(card); err != nil {
		return nil, fmt.Errorf("%w: model card: %w", ErrCorrupt, err)
	}
	return card, nil
}

// Open reads a native artifact and returns a model ready to score and its
// card. It keeps nothing of b.
func Open(b []byte) (Model, *Card, error) {
	header, payload, err := sections(b)
	if err != nil {
		return nil, nil, fmt.Errorf("open model: %w", err)
	}
	card, err := parseCard(header)
	if err != nil {
		return nil, nil, fmt.Errorf("open model: %w", err)
	}
	schema, err := card.Schema.Schema()
	if err != nil {
		return nil, nil, fmt.Errorf("open model: %w", err)
	}
	m, err := openPayload(card.Kind, schema, payload)
	if err != nil {
		return nil, nil, fmt.Errorf("open %s model: %w", card.Kind, err)
	}
	return m, card, nil
}

func openPayload(kind string, schema *Schema, payload []byte) (Model, error) {
	d := &decoder{b: payload}
	switch kind {
	case KindPrior:
		return decodePrior(schema, d)
	case KindUplift:
		return decodeUplift(schema, d)
	case KindAdapted:
		return decodeAdapter(schema, d)
	}
	return nil, fmt.Errorf("%w: unknown kind %q", ErrCorrupt, kind)
}
