package scope

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestNames(t *testing.T) {
	for name, ok := range map[string]bool{
		Name("d-1.ValidateService_2:a"): true, Name(""): false, Name("a b"): false, Name("a/b"): false, "wingman-a.service": false,
		"a.scope": false, Name(strings.Repeat("x", 241)): true, Name(strings.Repeat("x", 242)): false,
	} {
		if err := checkName(name); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWithoutSystemd(t *testing.T) {
	if Booted() {
		t.Skip("systemd is PID 1 here")
	}
	m := New()
	defer m.Close()
	_, err := m.List(t.Context())
	for _, err := range []error{m.Start(t.Context(), Name("x"), "", 1, time.Second), m.Stop(t.Context(), Name("x")), err} {
		if !errors.Is(err, ErrNoSystemd) {
			t.Errorf("got %v", err)
		}
	}
}
