package machine

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// show lays what the host shall show of its memory and processors over what the
// kernel shows of the machine's. Fewer processors than the machine has are a
// real limit (see affinity), more are for display, as all memory is: the lab
// has one machine to share.
func (h *Host) show(ctx context.Context) error {
	files := map[string]string{}
	if h.spec.Memory > 0 {
		files["/proc/meminfo"] = meminfo(h.spec.Memory)
	}
	if h.spec.CPUs > 0 {
		text, err := os.ReadFile("/proc/cpuinfo")
		if err != nil {
			return fmt.Errorf("read processors: %w", err)
		}
		files["/proc/cpuinfo"] = cpuinfo(string(text), h.spec.CPUs)
		for _, name := range []string{"online", "present", "possible"} {
			files["/sys/devices/system/cpu/"+name] = fmt.Sprintf("0-%d\n", h.spec.CPUs-1)
		}
	}
	for i, path := range sortedKeys(files) {
		copied := fmt.Sprintf("/run/shown/%d", i)
		script := fmt.Sprintf("mkdir -p /run/shown && cat > %[1]s && mount --bind %[1]s %[2]s", copied, path)
		if err := h.Exec(ctx, script, strings.NewReader(files[path]), nil); err != nil {
			return fmt.Errorf("show %s: %w", path, err)
		}
	}
	return nil
}

// affinity returns the words that limit a command to the host's processors.
func (s Spec) affinity() []string {
	if s.CPUs == 0 || s.CPUs >= runtime.NumCPU() {
		return nil
	}
	return []string{"taskset", "--cpu-list", fmt.Sprintf("0-%d", s.CPUs-1)}
}

// meminfo is proc_meminfo(5) of a host with that many bytes, half of them in use.
func meminfo(memory int64) string {
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

// cpuinfo repeats the machine's first processor.
func cpuinfo(machine string, count int) string {
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
