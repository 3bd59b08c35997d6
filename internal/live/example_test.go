package live_test

import (
	"fmt"
	"testing/fstest"

	"github.com/rebound-engine/rebound/engine"
	"github.com/rebound-engine/rebound/internal/live"
	"github.com/rebound-engine/rebound/rules"
)

// A directory is read, compiled, and shown as it is in force for one store.
func ExampleEffectiveOf() {
	dir := fstest.MapFS{}
	for name, content := range regional() {
		dir[name] = &fstest.MapFile{Data: content}
	}
	files, err := live.ReadFiles(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := rules.LoadFiles(files, engine.Schema())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range live.EffectiveOf(b, "us.7").Values {
		if v.Scope != "" {
			fmt.Printf("%s = %s  (%s)\n", v.Path, v.Value, v.Position)
		}
	}
	// Output:
	// bounds.max_percent_off = 0.2  (regions/us.yaml:5:29)
	// constraints.small = ret.refund_value < 500 else TOO_DEAR  (stores/us.7.yaml:7:12)
	// offers.half = disabled  (stores/us.7.yaml:5:19)
}
