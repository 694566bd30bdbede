package appspec

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/codedeploy-wingman/wingman/agent/problem"
)

// value is a YAML value as Ruby's YAML.load (Psych 4, safe) gives it to the CodeDeploy agent.
type value struct {
	scalar
	at   problem.Position
	list []value
	keys []string // of a mapping, in order, each once
	vals map[string]value
	key  map[string]problem.Position
}

// get gives what stands under key; nothing where there is none.
func (v value) get(key string) value {
	if got, ok := v.vals[key]; ok {
		return got
	}
	return value{scalar: scalar{kind: kindNil}, at: v.at}
}

func (v value) isNil() bool { return v.kind == kindNil }

// ruby is what Ruby's to_s gives: of a list or a mapping, its items as Ruby would write them.
func (v value) ruby() string {
	switch v.kind {
	case kindList:
		var items []string
		for _, i := range v.list {
			items = append(items, i.inspect())
		}
		return "[" + strings.Join(items, ", ") + "]"
	case kindMap:
		var items []string
		for _, k := range v.keys {
			name, other := strings.CutPrefix(k, "\x00")
			if !other {
				name = strconv.Quote(name)
			}
			items = append(items, name+"=>"+v.vals[k].inspect())
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return v.text
}

func (v value) inspect() string {
	switch v.kind {
	case kindNil:
		return "nil"
	case kindString:
		return strconv.Quote(v.text)
	case kindSymbol:
		return ":" + v.text
	}
	return v.ruby()
}

// stripped is Ruby's to_s and strip: strip knows NUL and ASCII's spaces, no others.
func (v value) stripped() string { return strings.Trim(v.ruby(), spaces) }

const spaces = "\x00\t\n\v\f\r "

// String is a scalar's text for a message; of the others, their kind.
func (v value) String() string {
	if v.kind == kindList || v.kind == kindMap {
		return string(v.kind)
	}
	return v.text
}

// loader builds values and refuses what Psych's safe load refuses.
type loader struct {
	file     string
	warnings problem.List
}

func (l *loader) at(n *yaml.Node) problem.Position {
	return problem.Position{File: l.file, Line: n.Line, Column: n.Column}
}

// refuse is the one form of this package's errors.
func refuse(at problem.Position, rule, hint, format string, args ...any) error {
	return problem.List{{Position: at, Severity: problem.Error, Rule: rule, Message: fmt.Sprintf(format, args...), Hint: hint}}
}

func (l *loader) warn(at problem.Position, rule, hint, format string, args ...any) {
	l.warnings = append(l.warnings, problem.Problem{Position: at, Severity: problem.Warning, Rule: rule, Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (l *loader) load(n *yaml.Node) (value, error) {
	if rubyObject(n) {
		return value{}, refuse(l.at(n), "ruby-object", "take the tag out", "the tag %s makes a Ruby object, which the CodeDeploy agent does not load", n.Tag)
	}
	switch n.Kind {
	case yaml.AliasNode:
		return value{}, refuse(l.at(n), "alias", "write the value out where *"+n.Value+" stands", "an alias (*%s): the CodeDeploy agent on Ruby 3.1 or newer does not load it", n.Value)
	case yaml.ScalarNode:
		return l.scalar(n)
	case yaml.SequenceNode:
		v := value{scalar: scalar{kind: kindList, truth: true}, at: l.at(n)}
		for _, c := range n.Content {
			item, err := l.load(c)
			if err != nil {
				return v, err
			}
			v.list = append(v.list, item)
		}
		return v, nil
	}
	return l.mapping(n)
}

// rubyObject says whether the node's tag makes an object of a class that a safe load does not know.
func rubyObject(n *yaml.Node) bool {
	if n.Tag == "!!set" || n.Tag == "!set" || strings.HasPrefix(n.Tag, "!str:") {
		return true
	}
	return strings.HasPrefix(n.Tag, "!ruby/") && !strings.HasPrefix(n.Tag, "!ruby/sym") && n.Tag != "!ruby/string" && n.Tag != "!ruby/array" && n.Tag != "!ruby/hash"
}

func (l *loader) scalar(n *yaml.Node) (value, error) {
	s := textScalar(n.Value)
	quoted := n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	tagged := n.Style&yaml.TaggedStyle != 0
	switch {
	case quoted && !tagged:
	case tagged && (n.Tag == "!!binary" || n.Tag == "!binary"):
		b, _ := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.Value), ""))
		s = textScalar(string(b))
	case tagged && (n.Tag == "!!str" || n.Tag == "!str" || strings.HasPrefix(n.Tag, "!ruby/string")):
	case tagged && strings.HasPrefix(n.Tag, "!ruby/sym"):
		s = scalar{kind: kindSymbol, text: n.Value, truth: true}
	case tagged && (n.Tag == "!!float" || n.Tag == "!float"):
		t := tokenize(n.Value)
		if t.kind != kindInt && t.kind != kindFloat {
			return value{}, refuse(l.at(n), "not-a-number", "take the tag out", "%q is tagged as a number and is none", n.Value)
		}
		s = floatScalar(t.float)
	default:
		s = tokenize(n.Value)
	}
	if s.kind == kindDate || s.kind == kindTime {
		return value{}, refuse(l.at(n), "date", `write it in quotes: "`+n.Value+`"`, "a bare date (%s): the CodeDeploy agent on Ruby 3.1 or newer does not load it", n.Value)
	}
	return value{scalar: s, at: l.at(n)}, nil
}

func (l *loader) mapping(n *yaml.Node) (value, error) {
	v := value{scalar: scalar{kind: kindMap, truth: true}, at: l.at(n), vals: map[string]value{}, key: map[string]problem.Position{}}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, err := l.load(n.Content[i])
		if err != nil {
			return v, err
		}
		val, err := l.load(n.Content[i+1])
		if err != nil {
			return v, err
		}
		if k.text == "<<" && n.Content[i].Style&yaml.TaggedStyle == 0 && v.merge(val) {
			continue
		}
		name := k.ruby()
		if k.kind != kindString {
			name = "\x00" + name // a key of another class: never equal to one of the agent's
		}
		if old, twice := v.key[name]; twice {
			l.warn(k.at, "duplicate-key", "take one of the two out", "%s stands here again: the CodeDeploy agent takes this one and forgets %s", strings.TrimPrefix(name, "\x00"), old)
		}
		v.set(name, val, k.at)
	}
	return v, nil
}

// merge takes over what stands under <<: a mapping, or a list of mappings of which the first wins.
func (v *value) merge(from value) bool {
	maps := []value{from}
	if from.kind == kindList {
		maps = from.list
	}
	for _, m := range maps {
		if m.kind != kindMap {
			return false
		}
	}
	for i := len(maps) - 1; i >= 0; i-- {
		for _, name := range maps[i].keys {
			v.set(name, maps[i].vals[name], maps[i].key[name])
		}
	}
	return true
}

func (v *value) set(name string, val value, at problem.Position) {
	if _, have := v.vals[name]; !have {
		v.keys = append(v.keys, name)
	}
	v.vals[name], v.key[name] = val, at
}
