package live

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/models"
	"github.com/rebound-engine/rebound/rules"
)

// OpenArtifact opens the file of a registered model and returns its digest: a
// native artifact, or a file of another library for the outcome it is registered
// for. A foreign file without inputs offer.* is a baseline. What lives outside
// this process is described in a bundle.
func OpenArtifact(b *rules.Bundle, a *engine.Artifact) (models.Model, string, error) {
	if kind := outsideKind(a.File); kind != "" {
		return nil, "", fmt.Errorf("%s describes a %s model; name it in the policies' models instead", a.File, kind)
	}
	if models.IsArtifact(a.Content) {
		m, _, err := models.Open(a.Content)
		return m, models.Digest(a.Content), err
	}
	schema := models.Schema{Outcome: a.Outcome, Unit: "probability"}
	company, _ := b.Policy("")
	for _, o := range company.Outcomes {
		if o.Name == a.Outcome {
			schema.Unit, schema.Window = o.Unit, max(o.To, 0)
		}
	}
	m, err := openForeign(a.File, a.Content, schema)
	sum := sha256.Sum256(a.Content)
	return m, hex.EncodeToString(sum[:]), err
}
