package machine

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRecipeDigestFollowsTheRecipe(t *testing.T) {
	first, changed := currentRecipe(), currentRecipe()
	require.Equal(t, first.digest(), changed.digest())
	changed.Pool = append(changed.Pool, "cowsay")
	require.NotEqual(t, first.digest(), changed.digest())
}
