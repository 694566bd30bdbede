package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/problem"
)

// maxFile bounds a settings file, in bytes: with YAML's aliases a small file can say much.
const maxFile = 1 << 20

// decoder reads one file strictly and goes on after a problem, so that all of them are said at once.
type decoder struct {
	file     string
	host     bool // host.yml: its scripts may be anywhere
	problems problem.List
	uses     []use
}

// use is one ${NAME} in the file, and what is known at its place beside the file's env.
type use struct {
	name  string
	at    problem.Position
	local map[string]string
}

func (d *decoder) at(n *yaml.Node) problem.Position {
	return problem.Position{File: d.file, Line: n.Line, Column: n.Column}
}

func (d *decoder) refuse(n *yaml.Node, rule, hint, format string, args ...any) {
	d.problems = append(d.problems, problem.Problem{Position: d.at(n), Severity: problem.Error, Rule: rule, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

// pattern compiles an expression when it is first needed: a hook needs few of them, and all took a twentieth of its time.
func pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

var yamlLine = pattern(`^yaml: (?:line (\d+): )?(.*)`)

// document gives the file's one YAML document; nil where it is empty or a problem was noted.
func (d *decoder) document(data []byte) (root *yaml.Node) {
	top := &yaml.Node{Line: 1, Column: 1}
	defer func() { // yaml.v3 panics on some broken files instead of giving an error
		if r := recover(); r != nil {
			d.refuse(top, "yaml", "", "not YAML: %v", r)
			root = nil
		}
	}()
	if len(data) > maxFile {
		d.refuse(top, "too-long", "", "the file has more than 1 MiB")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var n, second yaml.Node
	err := dec.Decode(&n)
	if err == nil {
		if e := dec.Decode(&second); e == nil {
			d.refuse(&second, "second-document", "take it out", "a second YAML document: the file has one")
		} else if !errors.Is(e, io.EOF) {
			err = e
		}
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		d.notYAML(top, err)
		return nil
	case len(n.Content) == 0 || n.Content[0].Tag == "!!null":
		return nil
	}
	return n.Content[0]
}

func (d *decoder) notYAML(top *yaml.Node, err error) {
	text, hint := err.Error(), ""
	if m := yamlLine().FindStringSubmatch(text); m != nil {
		if line, e := strconv.Atoi(m[1]); e == nil {
			top = &yaml.Node{Line: line}
		}
		text = m[2]
	}
	if strings.Contains(text, "cannot start any token") || strings.Contains(text, "tab character") {
		hint = "a tab? indent with spaces"
	}
	d.refuse(top, "yaml", hint, "not YAML: %s", text)
}

// schema is a JSON Schema, or a part of one.
type schema = map[string]any

// shape is how one kind of value is written: its JSON Schema and how it is read stand side by side, so that neither
// knows a key that the other does not.
type shape[T any] struct {
	schema schema
	read   func(d *decoder, n *yaml.Node, into *T)
}

// then adds what is to be looked at once the value is read.
func (s shape[T]) then(more func(d *decoder, n *yaml.Node, v *T)) shape[T] {
	return shape[T]{s.schema, func(d *decoder, n *yaml.Node, into *T) {
		before := len(d.problems)
		s.read(d, n, into)
		if len(d.problems) == before {
			more(d, n, into)
		}
	}}
}

// field is one key of a mapping.
type field[T any] struct {
	name     string
	doc      string
	schema   schema
	required bool
	read     func(d *decoder, n *yaml.Node, into *T)
}

// key makes a field whose value has the shape s and is kept where at says.
func key[T, V any](name string, s shape[V], doc string, at func(*T) *V) field[T] {
	return field[T]{name: name, doc: doc, schema: s.schema, read: func(d *decoder, n *yaml.Node, into *T) { s.read(d, n, at(into)) }}
}

func (f field[T]) must() field[T] { f.required = true; return f }

// by gives the field a default for the schema; who fills it in is the type's matter.
func (f field[T]) by(value any) field[T] {
	f.schema = with(f.schema, "default", value)
	return f
}

func with(s schema, name string, value any) schema {
	out := schema{name: value}
	for k, v := range s {
		if k != name {
			out[k] = v
		}
	}
	return out
}

// stranger says what is wrong with a key that a mapping does not know, where the nearest name does not say it all.
type stranger func(name string) (message, hint string)

// object is a mapping with these fields and no others.
func object[T any](strange stranger, fields ...field[T]) shape[T] {
	properties, names, required := schema{}, []string{}, []string{}
	byName := map[string]field[T]{}
	for _, f := range fields {
		names = append(names, f.name)
		byName[f.name] = f
		properties[f.name] = with(f.schema, "description", f.doc)
		if f.required {
			required = append(required, f.name)
		}
	}
	s := schema{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	return shape[T]{s, func(d *decoder, n *yaml.Node, into *T) {
		seen := map[string]bool{}
		for _, p := range d.pairs(n, "a mapping with "+words(names)) {
			f, known := byName[p.name]
			seen[p.name] = true
			switch {
			case !known:
				d.strange(p, names, strange)
			case p.value.Tag == "!!null":
				d.refuse(p.key, "no-value", "write a value or take the line out", "%s has no value", p.name)
			default:
				f.read(d, p.value, into)
			}
		}
		for _, name := range required {
			if n.Kind == yaml.MappingNode && !seen[name] {
				d.refuse(n, "missing-key", "", "there is no %s", name)
			}
		}
	}}
}

func (d *decoder) strange(p pair, names []string, strange stranger) {
	if strange != nil {
		if message, hint := strange(p.name); message != "" {
			d.refuse(p.key, "unknown-key", hint, "%s", message)
			return
		}
	}
	if near := problem.Nearest(p.name, names); near != "" {
		d.refuse(p.key, "unknown-key", "", "unknown key %s: did you mean %s?", strconv.Quote(p.name), near)
		return
	}
	d.refuse(p.key, "unknown-key", "", "unknown key %s: here may stand %s", strconv.Quote(p.name), words(names))
}

// pair is one entry of a mapping.
type pair struct {
	name       string
	key, value *yaml.Node
}

// pairs gives a mapping's entries in the file's order, merged ones (<<) behind, aliases followed.
func (d *decoder) pairs(n *yaml.Node, want string) []pair {
	n = real(n)
	if n.Kind != yaml.MappingNode {
		d.wrong(n, want)
		return nil
	}
	var out []pair
	have := map[string]int{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := real(n.Content[i]), real(n.Content[i+1])
		switch line, twice := have[k.Value]; {
		case k.Tag == "!!merge":
			merged = append(merged, v)
		case k.Kind != yaml.ScalarNode:
			d.refuse(k, "key", "", "a key is a plain word, not %s", kindOf(k))
		case twice:
			d.refuse(k, "duplicate-key", "take one of them out", "%s stands here for the second time: the first is in line %d", k.Value, line)
		default:
			have[k.Value] = k.Line
			out = append(out, pair{k.Value, k, v})
		}
	}
	for _, m := range merged {
		out = d.merge(out, have, m)
	}
	return out
}

// merge adds the entries of a <<: value, a mapping or a list of them, that are not there yet.
func (d *decoder) merge(out []pair, have map[string]int, m *yaml.Node) []pair {
	from := []*yaml.Node{m}
	if m.Kind == yaml.SequenceNode {
		from = m.Content
	}
	for _, m := range from {
		m = real(m)
		if m.Kind != yaml.MappingNode {
			d.refuse(m, "merge", "", "<< wants a mapping, not %s", kindOf(m))
			continue
		}
		for i := 0; i+1 < len(m.Content); i += 2 {
			k, v := real(m.Content[i]), real(m.Content[i+1])
			if _, there := have[k.Value]; there || k.Tag == "!!merge" || k.Kind != yaml.ScalarNode {
				continue
			}
			have[k.Value] = k.Line
			out = append(out, pair{k.Value, k, v})
		}
	}
	return out
}

// real follows aliases.
func real(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func (d *decoder) wrong(n *yaml.Node, want string) {
	d.refuse(n, "wrong-type", "", "here stands %s, wanted is %s", kindOf(n), want)
}

// kindOf says in words what a node is.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!str":
		return "the text " + strconv.Quote(short(n.Value))
	}
	return short(n.Value)
}

func short(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return s
}

func words(names []string) string { return strings.Join(names, ", ") }

// parse reads a whole file by its shape.
func parse[T any](d *decoder, data []byte, s shape[T], into *T) bool {
	n := d.document(data)
	if n == nil {
		return false
	}
	s.read(d, n, into)
	return true
}

// known notes each ${NAME} that stands for nothing at its place.
func (d *decoder) known(env map[string]string) {
	for _, u := range d.uses {
		_, inEnv := env[u.name]
		_, inStep := u.local[u.name]
		if inEnv || inStep || eventVariable(u.name) {
			continue
		}
		d.problems = append(d.problems, unknownVariable(u.name, u.at, env))
	}
}

// unknownVariable is the problem of a ${NAME} that stands for nothing.
func unknownVariable(name string, at problem.Position, env map[string]string) problem.Problem {
	choices := append([]string{}, eventVariables...)
	for k := range env {
		choices = append(choices, k)
	}
	message := fmt.Sprintf("${%s} stands for nothing: it is neither in env nor a variable of CodeDeploy's", name)
	if near := problem.Nearest(name, choices); near != "" {
		message += ": did you mean ${" + near + "}?"
	}
	return problem.Problem{Position: at, Severity: problem.Error, Rule: "unknown-variable", Message: message,
		Hint: fmt.Sprintf("env: {%s: \"…\"}, or $${%s} to leave it to a shell", name, name)}
}

// eventVariables are those that the CodeDeploy agent gives to every hook.
var eventVariables = []string{lifecycle.EnvEvent, lifecycle.EnvDeployment, lifecycle.EnvApplication, lifecycle.EnvGroup, lifecycle.EnvGroupID}

func eventVariable(name string) bool {
	for _, v := range eventVariables {
		if v == name {
			return true
		}
	}
	return false
}
