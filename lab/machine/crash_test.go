package machine

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// These variables make the test binary a lab, or a builder, that will be killed.
const (
	victimBase  = "LAB_VICTIM_BASE"
	victimCache = "LAB_VICTIM_CACHE"
)

func TestMain(m *testing.M) {
	if base := os.Getenv(victimBase); base != "" {
		if err := runVictimLab(base); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	if cache := os.Getenv(victimCache); cache != "" {
		_, err := Base(context.Background(), cache, func(line string) { fmt.Println(line) })
		fmt.Println("error:", err)
		return
	}
	os.Exit(m.Run())
}

// crashNetwork returns the network of the lab that dies.
func crashNetwork(base string) *Network {
	n := NewNetwork(base)
	n.Bridge, n.Prefix, n.Address = "mlabcrash0", "mlabc-", netip.MustParsePrefix("10.215.0.1/16")
	return n
}

// runVictimLab boots two hosts and waits to be killed.
func runVictimLab(base string) error {
	ctx := context.Background()
	n := crashNetwork(base)
	if err := n.Open(ctx); err != nil {
		return err
	}
	fmt.Println("open")
	var group errgroup.Group
	for i, layer := range []Layer{OldSite, Droplet} {
		group.Go(func() error {
			_, err := n.Boot(ctx, Spec{
				Name: fmt.Sprintf("a-rather-long-host-name-%d", i), Layer: layer,
				Addresses: parseAddresses(fmt.Sprintf("10.215.0.%d", 11+i)), Private: parseAddresses(fmt.Sprintf("10.215.2.%d", 11+i)),
			})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	fmt.Println("up")
	select {}
}

// TestDeadLabLeavesNothingUnknown kills a lab at many instants of its start. Its hosts
// die with it, and CleanUp removes the rest.
func TestDeadLabLeavesNothingUnknown(t *testing.T) {
	needLab(t)
	base, err := Base(t.Context(), DefaultCache, func(line string) { t.Log(line) })
	require.NoError(t, err)
	n := crashNetwork(base)
	require.NoError(t, n.cleanUp(t.Context()))
	const never = time.Duration(-1) // wait until the hosts are up
	delays := []time.Duration{never}
	for ms := 5; ms <= 1000; ms += 40 {
		delays = append(delays, time.Duration(ms)*time.Millisecond)
	}
	for _, delay := range delays {
		left := killVictim(t, base, delay)
		require.NotEmpty(t, left, "killed after %s", delay)
		require.Eventually(t, func() bool {
			processes, err := n.processes()
			return err == nil && len(processes) == 0
		}, 5*time.Second, 20*time.Millisecond, "hosts outlive their lab, killed after %s", delay)
		require.NoError(t, CleanUp(t.Context(), DefaultState, func(line string) { t.Log(line) }), "killed after %s", delay)
		left, err := n.Leftovers()
		require.NoError(t, err)
		require.Empty(t, left, "killed after %s", delay)
		require.NoError(t, n.cleanUp(t.Context()), "again")
	}
}

// killVictim starts a lab, kills it delay after it is open, and returns its leftovers.
// A negative delay waits until the hosts are up.
func killVictim(t *testing.T, base string, delay time.Duration) []string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), victimBase+"="+base)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	require.Equal(t, "open", lines.Text())
	if delay < 0 {
		require.True(t, lines.Scan())
		require.Equal(t, "up", lines.Text())
	} else {
		<-time.After(delay)
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	require.Error(t, cmd.Wait(), "it was killed")
	left, err := crashNetwork(base).Leftovers()
	require.NoError(t, err)
	return left
}

// TestDeadBuilderLeavesNoTree kills a builder in the middle of debootstrap.
func TestDeadBuilderLeavesNoTree(t *testing.T) {
	needLab(t)
	cache := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), victimCache+"="+cache)
	require.NoError(t, cmd.Start())
	unpacked := filepath.Join(cache, "tree-"+currentRecipe().digest()+".tmp", coreLayer, "usr/bin")
	require.Eventually(t, func() bool { return exists(unpacked) }, time.Minute, 50*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	require.Error(t, cmd.Wait(), "it was killed")
	require.Eventually(t, func() bool {
		files, err := filepath.Glob("/proc/[0-9]*/cmdline")
		return err == nil && !slices.ContainsFunc(files, func(file string) bool {
			text, err := os.ReadFile(file)
			return err == nil && strings.Contains(string(text), cache)
		})
	}, 5*time.Second, 50*time.Millisecond, "debootstrap outlives its builder")
	mounted, err := mountsBelow(cache)
	require.NoError(t, err)
	require.Empty(t, mounted)
	require.NoDirExists(t, filepath.Join(cache, "tree-"+currentRecipe().digest()))

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err = Base(ctx, cache, func(line string) { t.Log(line) })
	require.ErrorIs(t, err, context.DeadlineExceeded, "the next builder starts afresh and can be cancelled")
	require.NotContains(t, err.Error(), "lock")
}
