package main

import (
	"context"

	"github.com/rebound-engine/rebound/engine"
)

// explain tells a merchandiser why a logged decision came out as it did.
func (d *demo) explain(ctx context.Context, id string) (string, error) {
	decision, err := d.session.node.engine.Decision(ctx, id)
	if err != nil {
		return "", err
	}
	return engine.Narrate(decision, engine.VoiceMerchandiser), nil
}
