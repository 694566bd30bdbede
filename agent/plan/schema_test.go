package plan

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// accepts gives an independent validator of our schema.
func accepts(t *testing.T, of string) func(doc []byte) error {
	t.Helper()
	text, err := Schema(of)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(of, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(of)
	if err != nil {
		t.Fatal(err)
	}
	return func(b []byte) error {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		return s.Validate(v)
	}
}

func decodes(of, text string) error {
	if of == "host" {
		_, err := ParseHost([]byte(text), "h.yml")
		return err
	}
	_, err := ParseRevision([]byte(text), "w.yml")
	return err
}

// The schema takes what the decoder takes, and refuses what it refuses, wherever a schema can tell.
func TestSchemaAgreesWithTheDecoder(t *testing.T) {
	validate := map[string]func([]byte) error{"revision": accepts(t, "revision"), "host": accepts(t, "host")}
	for _, c := range []struct {
		of, text string
		good     bool
	}{
		{"revision", full, true},
		{"revision", "version: 1", true},
		{"revision", "version: 2", false},
		{"revision", "events: {}", false},
		{"revision", "version: 1\nevents: {Install: []}", false},
		{"revision", "version: 1\nenv: {DEPLOYMENT_ID: x}", false},
		{"revision", "version: 1\nenv: {A: [x]}", false},
		{"revision", step + "name: x", false},
		{"revision", step + "{script: a, command: [b]}", false},
		{"revision", step + "{script: a, timeout: 5}", false},
		{"revision", step + "{script: a, timeout: 5 s}", false},
		{"revision", step + "{script: a, timeout: 1h30m}", true},
		{"revision", step + "{script: a, retry: {attempts: 0}}", false},
		{"revision", step + "{script: a, when: {role: [original, replacement]}}", true},
		{"revision", step + "{script: a, when: {role: []}}", false},
		{"revision", step + "check: {interval: 1s}", false},
		{"revision", step + "check: {tcp: 'a:1', systemd: a}", false},
		{"revision", step + "check: {command: []}", false},
		{"host", "{}", true},
		{"host", "log: {keep: 0}", false},
		{"host", "log: {max_size: 10}", false},
		{"host", "policy: {allow_root: no-idea}", false},
		{"host", "executor: inline", true},
		{"host", "executor: none", false},
		{"host", "codedeploy_agent: {restart_after: 5m}", true},
		{"host", "codedeploy_agent: {restart_after: 5}", false},
		{"host", "codedeploy_agent: {restart: never}", false},
		{"host", "checks_dir: /etc/wingman/checks.d", false},
		{"host", "default_events: {ApplicationStop: [{script: /a}]}", true},
	} {
		var v any
		if err := yaml.Unmarshal([]byte(c.text), &v); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		bySchema, byDecoder := validate[c.of](b), decodes(c.of, c.text)
		if (bySchema == nil) != c.good || (byDecoder == nil) != c.good {
			t.Errorf("%s\nschema: %v\ndecoder: %v", c.text, bySchema, byDecoder)
		}
	}
	if _, err := Schema("steps"); err == nil {
		t.Error("a schema of what does not exist")
	}
}

// At each mapping of the schema the decoder takes each property as known, and one that the schema does not have as unknown.
func TestSchemaAndDecoderKnowTheSameKeys(t *testing.T) {
	for of, least := range map[string]int{"revision": 400, "host": 400} {
		text, err := Schema(of)
		if err != nil {
			t.Fatal(err)
		}
		var root map[string]any
		if err := json.Unmarshal([]byte(text), &root); err != nil {
			t.Fatal(err)
		}
		seen := 0
		walk(root, root, nil, func(path []string, name string, known bool) {
			seen++
			b, err := json.Marshal(nest(path, map[string]any{name: map[string]any{"no mapping has this": []any{}}}))
			if err != nil {
				t.Fatal(err)
			}
			d := &decoder{file: "f", host: of == "host"}
			if of == "revision" {
				parse(d, b, revisionShape, new(Revision))
			} else {
				parse(d, b, hostShape, new(Host))
			}
			refused := false
			for _, p := range d.problems {
				refused = refused || p.Rule == "unknown-key" && strings.Contains(p.Message, `"`+name+`"`)
			}
			if refused == known {
				t.Errorf("%s: %s of %v: the schema knows it: %t; the decoder says %v", of, name, path, known, d.problems)
			}
		})
		if seen < least {
			t.Errorf("%s: only %d keys seen", of, seen)
		}
	}
}

// walk visits each property of each mapping in a schema, and one name that is none.
func walk(root, s map[string]any, path []string, visit func(path []string, name string, known bool)) {
	if ref, ok := s["$ref"].(string); ok {
		s = root["definitions"].(map[string]any)[strings.TrimPrefix(ref, "#/definitions/")].(map[string]any)
	}
	if items, ok := s["items"].(map[string]any); ok {
		walk(root, items, append(append([]string{}, path...), "[]"), visit)
	}
	if forms, ok := s["anyOf"].([]any); ok {
		for _, f := range forms {
			walk(root, f.(map[string]any), path, visit)
		}
	}
	props, ok := s["properties"].(map[string]any)
	if !ok {
		return
	}
	visit(path, "zq", false)
	for name, p := range props {
		visit(path, name, true)
		walk(root, p.(map[string]any), append(append([]string{}, path...), name), visit)
	}
}

// nest wraps v in the mappings and lists of path.
func nest(path []string, v any) any {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == "[]" {
			v = []any{v}
			continue
		}
		v = map[string]any{path[i]: v}
	}
	return v
}
