package dosim

import (
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func TestRequestLog(t *testing.T) {
	l := newLab(t, Options{})
	client := l.godo(t, testToken)
	_, _, err := client.Droplets.List(t.Context(), &godo.ListOptions{PerPage: 5})
	require.NoError(t, err)
	require.Empty(t, l.Mutations())
	_, _, err = client.Tags.Create(t.Context(), &godo.TagCreateRequest{Name: "a"})
	require.NoError(t, err)
	all := l.Requests()
	require.Len(t, all, 2)
	require.Equal(t, "per_page=5", all[0].Query)
	require.Equal(t, 200, all[0].Status)
	require.Equal(t, "/v2/tags", all[1].Path)
	require.Equal(t, 201, all[1].Status)
	require.True(t, all[1].Mutating())
	require.WithinDuration(t, time.Now(), all[1].Time, time.Minute)
}
