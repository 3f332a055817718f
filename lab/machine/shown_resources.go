package machine

import (
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
)

// showResources mounts the spec's memory and processors over the kernel's files,
// which show this machine's. All hosts share one machine: memory is for display
// only, and so are processors that the machine does not have. Fewer processors than
// the machine has are a real limit (see affinity).
func (h *Host) showResources(ctx context.Context) error {
	files := map[string]string{}
	if h.spec.Memory > 0 {
		files["/proc/meminfo"] = memInfo(h.spec.Memory)
	}
	if h.spec.CPUs > 0 {
		text, err := os.ReadFile("/proc/cpuinfo")
		if err != nil {
			return fmt.Errorf("read processors: %w", err)
		}
		files["/proc/cpuinfo"] = cpuInfo(string(text), h.spec.CPUs)
		for _, name := range []string{"online", "present", "possible"} {
			files["/sys/devices/system/cpu/"+name] = fmt.Sprintf("0-%d\n", h.spec.CPUs-1)
		}
	}
	for i, path := range slices.Sorted(maps.Keys(files)) {
		copied := fmt.Sprintf("/run/shown/%d", i)
		script := fmt.Sprintf("mkdir -p /run/shown && cat > %[1]s && mount --bind %[1]s %[2]s", copied, path)
		if err := h.Exec(ctx, script, strings.NewReader(files[path]), nil); err != nil {
			return fmt.Errorf("show %s: %w", path, err)
		}
	}
	return nil
}

// affinity returns the command prefix that limits a command to the host's processors.
func (s Spec) affinity() []string {
	if s.CPUs == 0 || s.CPUs >= runtime.NumCPU() {
		return nil
	}
	return []string{"taskset", "--cpu-list", fmt.Sprintf("0-%d", s.CPUs-1)}
}

// memInfo returns /proc/meminfo, see proc_meminfo(5), of a host with that many bytes
// of memory, half of it in use.
func memInfo(memory int64) string {
	total := memory / 1024
	var b strings.Builder
	for _, line := range []struct {
		name string
		kB   int64
	}{
		{"MemTotal", total},
		{"MemFree", total / 4},
		{"MemAvailable", total / 2},
		{"Buffers", total / 32},
		{"Cached", total / 4},
		{"SwapCached", 0},
		{"SwapTotal", 0},
		{"SwapFree", 0},
		{"Shmem", 0},
		{"SReclaimable", 0},
	} {
		fmt.Fprintf(&b, "%-15s %8d kB\n", line.name+":", line.kB)
	}
	return b.String()
}

// cpuInfo repeats the first processor of this machine's /proc/cpuinfo.
func cpuInfo(machine string, count int) string {
	first, _, _ := strings.Cut(machine, "\n\n")
	var b strings.Builder
	for i := range count {
		for line := range strings.SplitSeq(first, "\n") {
			key, _, _ := strings.Cut(line, ":")
			switch strings.TrimSpace(key) {
			case "processor", "core id", "apicid", "initial apicid":
				line = fmt.Sprintf("%s: %d", key, i)
			case "siblings", "cpu cores":
				line = fmt.Sprintf("%s: %d", key, count)
			}
			b.WriteString(line + "\n")
		}
		b.WriteString("\n")
	}
	return b.String()
}
