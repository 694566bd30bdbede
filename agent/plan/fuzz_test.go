package plan

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/problem"
)

// A wingman.yml is refused with a place and a message for each fault, or every step of every plan from it does one thing.
func FuzzParseRevision(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte("version: 1\nevents: {AfterInstall: [&a {script: x}, *a, {<<: *a}]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRevision(data, "w.yml")
		if err != nil {
			var l problem.List
			if !errors.As(err, &l) || len(l) == 0 {
				t.Fatalf("%T: %v", err, err)
			}
			for _, p := range l {
				if p.Line < 1 || p.Message == "" {
					t.Fatalf("no place or no message: %+v", p)
				}
			}
			return
		}
		for _, e := range lifecycle.Hookable() {
			p, err := Make(request(r, e))
			if err != nil {
				continue
			}
			for _, s := range p.All() {
				if len(s.kinds()) != 1 {
					t.Fatalf("not one action: %+v", s)
				}
			}
		}
	})
}

func FuzzParseHost(f *testing.F) {
	f.Add([]byte("policy: {users: [app], allow_root: false, max_timeout: 10m}\nlog: {max_size: 1GiB, keep: 3}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := ParseHost(data, "h.yml")
		if err == nil && (h.Log.MaxSize < 64<<10 || h.Log.Keep < 1 || h.Policy.MaxTimeout < time.Second) {
			t.Fatalf("out of bounds: %+v", h)
		}
	})
}

// Without ${NAME}, expanding only halves double dollars; and doubling all dollars always gives the text back.
func FuzzExpand(f *testing.F) {
	f.Add("a ${B} $$ $C $")
	f.Fuzz(func(t *testing.T, text string) {
		none := func(name string) (string, error) { return "", unknown(name) }
		back, err := expand(strings.ReplaceAll(text, "$", "$$"), none)
		if err != nil || back != text {
			t.Fatalf("%q became %q, %v", text, back, err)
		}
		if _, err := variables(text); err == nil && !strings.Contains(text, "${") {
			if _, err := expand(text, none); err != nil {
				t.Fatal(err)
			}
		}
	})
}
