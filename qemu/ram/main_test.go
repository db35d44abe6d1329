package ram_test

import (
	"context"
	"testing"
	"time"

	"github.com/stackemu/stackemu/qemu/qemutest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	qemutest.Main()
	goleak.VerifyTestMain(m)
}

// patience is far more than anything here takes: running into it is a failure.
const patience = 30 * time.Second

// within returns a context that ends with the test or after d.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
