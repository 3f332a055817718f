package provision

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dcmigrate/migrate/report"
)

func TestChooseSize(t *testing.T) {
	sizes := []Size{
		{Slug: "s-1vcpu-1gb", CPUs: 1, MemoryMiB: 1024, DiskGiB: 25, MonthlyPrice: 6, Regions: []string{"ams3", "nyc1"}, Available: true},
		{Slug: "s-2vcpu-2gb", CPUs: 2, MemoryMiB: 2048, DiskGiB: 60, MonthlyPrice: 18, Regions: []string{"ams3"}, Available: true},
		{Slug: "c-2", CPUs: 2, MemoryMiB: 4096, DiskGiB: 25, MonthlyPrice: 42, Regions: []string{"nyc1"}, Available: true},
		{Slug: "g-gone", CPUs: 64, MemoryMiB: 1 << 20, DiskGiB: 1 << 12, MonthlyPrice: 1, Regions: []string{"ams3"}},
	}
	for _, tt := range []struct {
		name, region string
		host         HostSpec
		want, fail   string
		smaller      string
	}{
		{"the cheapest that fits", "ams3", host("", 1, 900, 20), "s-1vcpu-1gb", "", ""},
		{"exactly as large", "ams3", host("", 1, 1024, 25), "s-1vcpu-1gb", "", ""},
		{"disk decides", "ams3", host("", 1, 900, 26), "s-2vcpu-2gb", "", ""},
		{"CPUs decide", "ams3", host("", 2, 900, 20), "s-2vcpu-2gb", "", ""},
		{"memory decides, in a region that has it", "nyc1", host("", 1, 1025, 20), "c-2", "", ""},
		{"none is large enough", "ams3", host("", 4, 900, 20), "", "no size in region ams3", ""},
		{"not in the region", "nyc1", host("", 1, 900, 60), "", "no size in region nyc1", ""},
		{"unavailable sizes do not count", "ams3", host("", 32, 900, 20), "", "no size", ""},
		{"an explicit size is honoured", "ams3", host("s-2vcpu-2gb", 1, 900, 20), "s-2vcpu-2gb", "", ""},
		{"also when it is smaller, with the hazard", "ams3", host("s-1vcpu-1gb", 1, 900, 26), "s-1vcpu-1gb", "", "25 GiB disk instead of 26 GiB"},
		{"an explicit size of another region", "nyc1", host("s-2vcpu-2gb", 1, 900, 20), "", "not available in region nyc1", ""},
		{"an unknown one", "ams3", host("s-9", 1, 900, 20), "", "no size s-9", ""},
		{"without facts", "ams3", host("", 0, 0, 0), "", "the inventory knows", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			choice, err := chooseSize(sizes, tt.region, tt.host)
			if tt.fail != "" {
				require.ErrorContains(t, err, tt.fail)
				require.NotEmpty(t, report.Hint(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, choice.Size.Slug)
			require.NotEmpty(t, choice.Reason)
			require.Equal(t, tt.smaller, choice.Shortfall)
		})
	}
}

func host(size string, cpus, memory, disk int) HostSpec {
	return HostSpec{Name: "app1", Size: size, Facts: Facts{CPUs: cpus, MemoryMiB: memory, DiskGiB: disk}}
}
