package appspec

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type appspecCase struct {
	Name, Appspec string
	Base64        string `json:"appspec_base64"`
	OK            bool
	Spec          *recorded
}

// recorded is a spec as the CodeDeploy agent understood it.
type recorded struct {
	OS    string
	Hooks map[string][]struct {
		Location string
		RunAs    *string
		Sudo     any
		Timeout  float64
	}
	Files       []struct{ Source, Destination any }
	Permissions []struct {
		Object       string
		Pattern      any
		Except, Type any
		Owner, Group any
		Mode         *struct{ Mode string }
		ACLs         *struct{ Aces []ACE }
		Context      *struct {
			User  any
			Type  any
			Range *struct {
				Low        int `json:"low_sensitivity"`
				High       int `json:"high_sensitivity"`
				Categories []int
			}
		}
	}
	FileExistsBehavior *string `json:"file_exists_behavior"`
}

// What the real CodeDeploy agent took and refused.
func TestConformance(t *testing.T) {
	dir := os.Getenv("WINGMAN_AGENT_CASES")
	if dir == "" {
		dir = filepath.Join("..", "testdata", "codedeploy-agent")
	}
	data, err := os.ReadFile(filepath.Join(dir, "appspec-cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var c appspecCase
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&c); err != nil {
			t.Fatal(err)
		}
		t.Run(c.Name, c.run)
	}
}

func (c appspecCase) run(t *testing.T) {
	text := []byte(c.Appspec)
	if c.Base64 != "" {
		var err error
		if text, err = base64.StdEncoding.DecodeString(c.Base64); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Parse(text, "appspec.yml")
	if c.OK != (err == nil) {
		t.Fatalf("taken: %v, by the CodeDeploy agent: %v (%v)", err == nil, c.OK, err)
	}
	if err != nil {
		if !strings.HasPrefix(err.Error(), "appspec.yml:") || !strings.Contains(err.Error(), ": ") {
			t.Errorf("the message has no place: %v", err)
		}
		return
	}
	if diff := cmp.Diff(c.Spec.flat(), flat(got)); diff != "" {
		t.Error(diff)
	}
}

func str(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// text is Ruby's to_s of what JSON kept of a Ruby value.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []any:
		return "[" + strings.Join(each(v, inspect), ", ") + "]"
	case map[string]any:
		var items []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			items = append(items, strconv.Quote(k)+"=>"+inspect(v[k]))
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return fmt.Sprint(v)
}

func inspect(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case string:
		return strconv.Quote(v)
	}
	return text(v)
}

// items are a list's, as permissions' except and type are compared.
func items(v any) string {
	list, _ := v.([]any)
	return strings.Join(each(list, text), ",")
}

func each(list []any, f func(any) string) (out []string) {
	for _, v := range list {
		out = append(out, f(v))
	}
	return out
}

func (r recorded) flat() map[string]any {
	hooks := map[string][]any{}
	for e, list := range r.Hooks {
		hooks[e] = []any{}
		for _, h := range list {
			hooks[e] = append(hooks[e], []any{h.Location, h.RunAs == nil, str(h.RunAs), h.Sudo != nil && h.Sudo != false, min(h.Timeout, 1<<33)})
		}
	}
	var files, perms []any
	for _, f := range r.Files {
		files = append(files, []any{text(f.Source), text(f.Destination)})
	}
	for _, p := range r.Permissions {
		mode, acls, ctx := "", []ACE(nil), (*Context)(nil)
		if p.Mode != nil {
			mode = p.Mode.Mode
		}
		if p.ACLs != nil {
			acls = p.ACLs.Aces
		}
		if c := p.Context; c != nil {
			ctx = &Context{User: text(c.User), Type: text(c.Type)}
			if c.Range != nil {
				ctx.Range = &Range{c.Range.Low, c.Range.High, c.Range.Categories}
			}
		}
		perms = append(perms, []any{p.Object, text(p.Pattern), items(p.Except), items(p.Type),
			text(p.Owner), text(p.Group), mode, acls, ctx})
	}
	return map[string]any{"os": r.OS, "hooks": hooks, "files": files, "permissions": perms, "feb": str(r.FileExistsBehavior)}
}

func flat(s Spec) map[string]any {
	hooks := map[string][]any{}
	for e, list := range s.Hooks {
		hooks[e] = []any{}
		for _, h := range list {
			hooks[e] = append(hooks[e], []any{h.Location, h.RunAs == nil, str(h.RunAs), h.Sudo, h.Timeout.Seconds()})
		}
	}
	var files, perms []any
	for _, f := range s.Files {
		files = append(files, []any{f.Source, f.Destination})
	}
	for _, p := range s.Permissions {
		perms = append(perms, []any{p.Object, p.Pattern, strings.Join(p.Except, ","), strings.Join(p.Types, ","), p.Owner, p.Group, p.Mode, p.ACLs, p.Context})
	}
	return map[string]any{"os": s.OS, "hooks": hooks, "files": files, "permissions": perms, "feb": s.FileExistsBehavior}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "version: 0.0\nos: linux\n", "\xef\xbb\xbf{version: 0.0, os: linux}", "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: a\n      timeout: 1:30\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, errA := Parse(data, "f")
		b, errB := Parse(data, "f")
		if (errA == nil) != (errB == nil) || !cmp.Equal(flat(a), flat(b)) {
			t.Fatal("not the same twice")
		}
		if errA != nil && !strings.HasPrefix(errA.Error(), "f:") {
			t.Errorf("no place: %v", errA)
		}
	})
}
