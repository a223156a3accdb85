package command

import (
	"os"
	"testing"

	"github.com/lethe/lethe/router/routertest/public"
)

// TestMain says which public data is absent.
func TestMain(m *testing.M) { os.Exit(public.Main(m, public.Composition())) }
