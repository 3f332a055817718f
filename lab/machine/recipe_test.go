package machine

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRecipeDigestFollowsTheRecipe(t *testing.T) {
	one, other := currentRecipe(), currentRecipe()
	require.Equal(t, one.digest(), other.digest())
	other.Pool = append(other.Pool, "cowsay")
	require.NotEqual(t, one.digest(), other.digest())
}
