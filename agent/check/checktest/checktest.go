// Package checktest is the contract that every check.Checker keeps.
package checktest

import (
	"context"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/codedeploy-wingman/wingman/agent/check"
)

const (
	longest = 400             // runes of a reason
	late    = 2 * time.Second // what a busy machine may add to a deadline
)

// Run tests the contract. fresh makes two checkers: one whose target works, and one whose target does not.
func Run(t *testing.T, fresh func(t *testing.T) (good, bad check.Checker)) {
	t.Run("good passes, each time", func(t *testing.T) {
		good, _ := fresh(t)
		for range 3 {
			if o := good.Check(t.Context()); o.Verdict != check.Pass {
				t.Fatalf("got %+v, want a pass", o)
			} else {
				Readable(t, o)
			}
		}
	})
	t.Run("bad never passes, and says why", func(t *testing.T) {
		_, bad := fresh(t)
		for range 3 {
			o := bad.Check(t.Context())
			if o.Verdict == check.Pass {
				t.Fatalf("got %+v, want no pass", o)
			}
			Readable(t, o)
		}
	})
	t.Run("a context that is done never passes", func(t *testing.T) {
		good, bad := fresh(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, c := range []check.Checker{good, bad} {
			GivesUp(ctx, t, c)
		}
	})
	t.Run("an answer after a cancelled try", func(t *testing.T) {
		good, _ := fresh(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		good.Check(ctx)
		if o := good.Check(t.Context()); o.Verdict != check.Pass {
			t.Fatalf("got %+v, want a pass", o)
		}
	})
}

// Hanging tests the contract on a target that takes the question and never answers; silent has a timeout of its own of
// at most a second.
func Hanging(t *testing.T, fresh func(t *testing.T) (silent check.Checker)) {
	t.Run("its timeout fails the try", func(t *testing.T) {
		start := time.Now()
		o := fresh(t).Check(t.Context())
		if took := time.Since(start); took > time.Second+late {
			t.Errorf("took %v", took)
		}
		if o.Verdict != check.Fail || !strings.Contains(o.Reason, "no answer within ") {
			t.Errorf("got %+v, want a failure with: no answer within …", o)
		}
		Readable(t, o)
	})
	t.Run("the caller's deadline is inconclusive", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		GivesUp(ctx, t, fresh(t))
	})
	t.Run("the caller's cancel is inconclusive", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		time.AfterFunc(20*time.Millisecond, cancel)
		GivesUp(ctx, t, fresh(t))
	})
}

// GivesUp tests that c, asked with a ctx that is done or soon will be, returns soon and inconclusive.
func GivesUp(ctx context.Context, t *testing.T, c check.Checker) {
	t.Helper()
	start := time.Now()
	o := c.Check(ctx)
	if took := time.Since(start); took > late {
		t.Errorf("took %v", took)
	}
	if o.Verdict != check.Inconclusive {
		t.Errorf("got %+v, want inconclusive", o)
	}
	Readable(t, o)
}

// Readable tests that o can be shown to a person.
func Readable(t *testing.T, o check.Observation) {
	t.Helper()
	switch {
	case o.Verdict != check.Pass && o.Verdict != check.Fail && o.Verdict != check.Inconclusive:
		t.Errorf("unknown verdict %q", o.Verdict)
	case o.Reason == "":
		t.Errorf("no reason in %+v", o)
	case !utf8.ValidString(o.Reason), !utf8.ValidString(o.Detail):
		t.Errorf("no valid UTF-8: %+q", o)
	case strings.ContainsFunc(o.Reason, func(r rune) bool { return !unicode.IsPrint(r) }):
		t.Errorf("a reason that is not one printable line: %q", o.Reason)
	case utf8.RuneCountInString(o.Reason) > longest:
		t.Errorf("a reason of %d characters: %q", utf8.RuneCountInString(o.Reason), o.Reason)
	}
}
