package main

import "testing"

func TestMemoryOf(t *testing.T) {
	const machine = "MemTotal:        8000000 kB\nMemFree:         1000 kB\n"
	for name, c := range map[string]struct {
		cgroup, meminfo string
		want            int64
	}{
		"machine":          {"", machine, 8000000 << 10},
		"no limit":         {"max\n", machine, 8000000 << 10},
		"container":        {"1073741824\n", machine, 1 << 30},
		"limit above it":   {"99999999999999\n", machine, 8000000 << 10},
		"neither":          {"", "", 0},
		"not to be read":   {"-1\n", "MemTotal: much kB\n", 0},
		"only a container": {"1073741824\n", "", 1 << 30},
	} {
		if got := memoryOf(c.cgroup, c.meminfo); got != c.want {
			t.Errorf("%s: %d bytes, want %d", name, got, c.want)
		}
	}
}
