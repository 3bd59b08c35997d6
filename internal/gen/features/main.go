// Command features writes the feature reference from the table in
// engine/profile to the file named by its argument.
package main

import (
	"fmt"
	"os"

	"github.com/rebound-engine/rebound/engine/profile"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: features FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], []byte(profile.Reference()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "features:", err)
		os.Exit(1)
	}
}
