package main

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// gcPercent is GOGC of a server: most of what it allocates is garbage after one
// call, and collecting that less often saves a tenth of the CPU.
const gcPercent = 400

// tuneMemory collects garbage rarely as long as memory is plenty: the soft limit
// is three quarters of what the process may have. Where that is not known, or
// GOGC or GOMEMLIMIT say what the operator wants, nothing is changed.
func tuneMemory() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	total := memoryOf(readText("/sys/fs/cgroup/memory.max"), readText("/proc/meminfo"))
	if total == 0 {
		return
	}
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(total / 4 * 3)
}

// readText is empty where there is no such file.
func readText(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return string(b)
}

// memoryOf is the smaller of the container's limit and the machine's memory, in
// bytes, given the system's files about them; 0 if neither tells.
func memoryOf(cgroup, meminfo string) int64 {
	least := int64(math.MaxInt64)
	if n, err := strconv.ParseInt(strings.TrimSpace(cgroup), 10, 64); err == nil && n > 0 {
		least = n
	}
	for line := range strings.Lines(meminfo) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[0] != "MemTotal:" || fields[2] != "kB" {
			continue
		}
		if n, err := strconv.ParseInt(fields[1], 10, 64); err == nil && n > 0 && n < math.MaxInt64>>10 {
			least = min(least, n<<10)
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}
