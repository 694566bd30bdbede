package plan

import (
	"math"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// verbatim is a text in which numbers and true and false stand for themselves, as written: [sleep, 60], PORT: 8080.
// ${NAME} in it is noted.
var verbatim = shape[string]{schema{"type": []string{"string", "number", "boolean"}}, func(d *decoder, n *yaml.Node, into *string) {
	n = real(n)
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.wrong(n, "a text")
		return
	}
	if strings.ContainsRune(n.Value, 0) {
		d.refuse(n, "nul", "", "a text with a NUL in it: neither an environment nor a command line can carry it")
		return
	}
	names, err := variables(n.Value)
	if err != nil {
		d.refuse(n, "dollar", "$$ stands for one dollar", "%s", err)
		return
	}
	for _, name := range names {
		d.uses = append(d.uses, use{name: name, at: d.at(n)})
	}
	*into = n.Value
}}

// text is a verbatim that is not empty.
var text = verbatim.then(func(d *decoder, n *yaml.Node, v *string) {
	if *v == "" {
		d.refuse(n, "empty", "write a value or take the line out", "an empty text")
	}
})

// oneOf is one of these words.
func oneOf[T ~string](choices ...T) shape[T] {
	plain := make([]string, len(choices))
	for i, c := range choices {
		plain[i] = string(c)
	}
	return shape[T]{schema{"enum": plain}, func(d *decoder, n *yaml.Node, into *T) {
		n = real(n)
		for _, c := range choices {
			if n.Kind == yaml.ScalarNode && n.Value == string(c) {
				*into = c
				return
			}
		}
		d.wrong(n, "one of "+words(plain))
	}}
}

var truth = shape[bool]{schema{"type": "boolean"}, func(d *decoder, n *yaml.Node, into *bool) {
	n = real(n)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		d.wrong(n, "true or false")
		return
	}
	*into = strings.EqualFold(n.Value, "true")
}}

// number is a whole number from least to most.
func number(least, most int) shape[int] {
	return shape[int]{schema{"type": "integer", "minimum": least, "maximum": most}, func(d *decoder, n *yaml.Node, into *int) {
		n = real(n)
		v, err := strconv.Atoi(n.Value)
		if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil || v < least || v > most {
			d.wrong(n, "a whole number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most))
			return
		}
		*into = v
	}}
}

const durationPattern = `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`

var durationForm = pattern(durationPattern)

// duration is a time with its unit, at least least.
func duration(least time.Duration) shape[time.Duration] {
	return shape[time.Duration]{schema{"type": "string", "pattern": durationPattern}, func(d *decoder, n *yaml.Node, into *time.Duration) {
		n = real(n)
		if n.Kind == yaml.ScalarNode && (n.Tag == "!!int" || n.Tag == "!!float") {
			d.refuse(n, "no-unit", n.Value+"s, "+n.Value+"m or "+n.Value+"ms", "%s is a number without a unit", n.Value)
			return
		}
		v, err := time.ParseDuration(n.Value)
		if n.Kind != yaml.ScalarNode || !durationForm().MatchString(n.Value) || err != nil {
			d.wrong(n, "a time such as 250ms, 30s, 2m or 1h30m")
			return
		}
		if v < least {
			d.refuse(n, "too-short", "", "%s is too short: at least %s", n.Value, least)
			return
		}
		*into = v
	}}
}

const sizePattern = `^[0-9]+(KiB|MiB|GiB|KB|MB|GB)$`

var sizeForm = pattern(`^([0-9]+)(KiB|MiB|GiB|KB|MB|GB)$`)

var units = map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "KB": 1e3, "MB": 1e6, "GB": 1e9}

// size is a number of bytes with its unit.
func size(least int64) shape[int64] {
	return shape[int64]{schema{"type": "string", "pattern": sizePattern}, func(d *decoder, n *yaml.Node, into *int64) {
		n = real(n)
		m := sizeForm().FindStringSubmatch(n.Value)
		if n.Kind != yaml.ScalarNode || m == nil {
			d.wrong(n, "a size such as 64MiB or 1GiB")
			return
		}
		v, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil || v > math.MaxInt64/units[m[2]] {
			d.wrong(n, "a size that fits on a disk")
			return
		}
		if v *= units[m[2]]; v < least {
			d.refuse(n, "too-small", "", "%s is too small: at least %d bytes", n.Value, least)
			return
		}
		*into = v
	}}
}

// list is a list of values of one shape.
func list[V any](s shape[V]) shape[[]V] {
	return shape[[]V]{schema{"type": "array", "items": s.schema}, func(d *decoder, n *yaml.Node, into *[]V) {
		n = real(n)
		if n.Kind != yaml.SequenceNode {
			hint := ""
			if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, " ") { // only commands are written so
				hint = "for a shell's line: [sh, -c, " + strconv.Quote(n.Value) + "]"
			}
			d.refuse(n, "wrong-type", hint, "here stands %s, wanted is a list", kindOf(n))
			return
		}
		out := make([]V, len(n.Content))
		for i, item := range n.Content {
			s.read(d, item, &out[i])
		}
		*into = out
	}}
}

// filled is a list with something in it.
func filled[V any](s shape[V]) shape[[]V] {
	l := list(s).then(func(d *decoder, n *yaml.Node, v *[]V) {
		if len(*v) == 0 {
			d.refuse(n, "empty", "", "an empty list")
		}
	})
	l.schema = with(l.schema, "minItems", 1)
	return l
}

// some is one value, or a list of them.
func some[V any](s shape[V]) shape[[]V] {
	many := filled(s)
	return shape[[]V]{schema{"anyOf": []schema{s.schema, many.schema}}, func(d *decoder, n *yaml.Node, into *[]V) {
		if n = real(n); n.Kind == yaml.SequenceNode {
			many.read(d, n, into)
			return
		}
		var one V
		s.read(d, n, &one)
		*into = []V{one}
	}}
}

// shortForm lets a value be written as S where it is no mapping.
func shortForm[T, S any](long shape[T], s shape[S], set func(*T, S)) shape[T] {
	return shape[T]{schema{"anyOf": []schema{s.schema, long.schema}}, func(d *decoder, n *yaml.Node, into *T) {
		if n = real(n); n.Kind == yaml.MappingNode {
			long.read(d, n, into)
			return
		}
		var v S
		s.read(d, n, &v)
		set(into, v)
	}}
}

// to gives a shape for a pointer to its value.
func to[T any](s shape[T]) shape[*T] {
	return shape[*T]{s.schema, func(d *decoder, n *yaml.Node, into **T) {
		*into = new(T)
		s.read(d, n, *into)
	}}
}

const namePattern = `^[A-Za-z_][A-Za-z0-9_]*$`

// isName is namePattern by hand: each hook needs it.
func isName(s string) bool {
	for i, c := range []byte(s) {
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// variableName is the name of an environment variable.
var variableName = shape[string]{schema{"type": "string", "pattern": namePattern}, func(d *decoder, n *yaml.Node, into *string) {
	n = real(n)
	if n.Kind != yaml.ScalarNode || !isName(n.Value) {
		d.wrong(n, "the name of a variable: letters, digits and _")
		return
	}
	*into = n.Value
}}

// environment is a mapping of variables.
var environment = shape[map[string]string]{
	schema{"type": "object", "propertyNames": schema{"pattern": namePattern, "not": schema{"enum": eventVariables}}, "additionalProperties": verbatim.schema},
	func(d *decoder, n *yaml.Node, into *map[string]string) {
		out := map[string]string{}
		for _, p := range d.pairs(n, "a mapping of variables") {
			var v string
			switch {
			case eventVariable(p.name):
				d.refuse(p.key, "reserved-variable", "give yours another name", "%s is CodeDeploy's own variable", p.name)
				continue
			case p.value.Tag == "!!null":
				d.refuse(p.key, "no-value", p.name+`: ""`, "%s has no value", p.name)
				continue
			}
			variableName.read(d, p.key, new(string))
			verbatim.read(d, p.value, &v)
			out[p.name] = v
		}
		*into = out
	},
}

// texts is a mapping of texts to texts.
var texts = shape[map[string]string]{schema{"type": "object", "additionalProperties": verbatim.schema}, func(d *decoder, n *yaml.Node, into *map[string]string) {
	out := map[string]string{}
	for _, p := range d.pairs(n, "a mapping of texts") {
		var v string
		verbatim.read(d, p.value, &v)
		out[p.name] = v
	}
	*into = out
}}
