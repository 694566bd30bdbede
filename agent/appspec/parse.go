package appspec

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/problem"
)

// defaultTimeout is that of a hook for which appspec.yml names none (script_info.rb).
const defaultTimeout = 3600

// Parse reads an appspec.yml. What the CodeDeploy agent refuses is an error (a problem.List): the first that it would
// find, in its order: version, os, hooks, files, permissions, file_exists_behavior. What it takes although the author
// hardly meant it is among the warnings.
func Parse(data []byte, file string) (Spec, error) {
	l := &loader{file: file}
	doc, err := l.document(data)
	if err != nil {
		return Spec{}, err
	}
	p := parser{loader: l}
	spec, err := p.spec(doc)
	l.warnings.Sort()
	spec.Warnings = l.warnings
	return spec, err
}

// document gives the first YAML document of the file.
func (l *loader) document(data []byte) (v value, err error) {
	top := problem.Position{File: l.file, Line: 1, Column: 1}
	if rest, bom := bytes.CutPrefix(data, []byte("\xef\xbb\xbf")); bom {
		// Psych skips a byte order mark as if it were one column, and so ends a mapping after its first key.
		data = append([]byte(" "), rest...)
		l.warn(top, "bom", "sed -i '1s/^\\xEF\\xBB\\xBF//' "+l.file, "the file begins with a byte order mark: the CodeDeploy agent loses all keys but the first")
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return v, refuse(top, "encoding", "iconv -f UTF-16 -t UTF-8 "+l.file, "the file is in UTF-16, which the CodeDeploy agent does not read")
	}
	if rest, is := bytes.CutPrefix(data, []byte("%YAML 1.2")); is { // Psych takes it, yaml.v3 does not
		data = append([]byte("%YAML 1.1"), rest...)
	}
	defer func() { // yaml.v3 panics on some broken files instead of giving an error
		if r := recover(); r != nil {
			err = refuse(top, "yaml", "", "not YAML: %v", r)
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(data))
	var n yaml.Node
	switch err := d.Decode(&n); {
	case errors.Is(err, io.EOF):
		return value{scalar: scalar{kind: kindNil}, at: top}, nil
	case err != nil:
		return value{}, l.notYAML(err)
	}
	var second yaml.Node
	if d.Decode(&second) == nil {
		l.warn(l.at(&second), "second-document", "take it out", "a second YAML document, which the CodeDeploy agent does not read")
	}
	if len(n.Content) == 0 {
		return value{scalar: scalar{kind: kindNil}, at: top}, nil
	}
	return l.load(n.Content[0])
}

var yamlLine = pattern(`^yaml: (?:line (\d+): )?(.*)`)

func (l *loader) notYAML(err error) error {
	at := problem.Position{File: l.file, Line: 1}
	text := err.Error()
	if m := yamlLine().FindStringSubmatch(text); m != nil {
		if n, e := strconv.Atoi(m[1]); e == nil {
			at.Line = n
		}
		text = m[2]
	}
	hint := ""
	if strings.Contains(text, "cannot start any token") || strings.Contains(text, "tab character") {
		hint = "a tab? indent with spaces"
	}
	return refuse(at, "yaml", hint, "not YAML: %s", text)
}

type parser struct{ *loader }

func (p parser) spec(doc value) (s Spec, err error) {
	s.Hooks = map[string][]Hook{}
	if doc.isNil() || doc.kind == kindBool && !doc.truth {
		return s, refuse(doc.at, "empty", "version: 0.0\nos: linux", "the file is empty: it needs version and os at least")
	}
	if doc.kind != kindMap {
		return s, refuse(doc.at, "not-a-mapping", "version: 0.0\nos: linux", "the file is %s, not a mapping", doc.kind)
	}
	if err = p.head(doc); err != nil {
		return s, err
	}
	s.OS = doc.get("os").text
	for _, part := range []func(value, *Spec) error{p.hooks, p.files, p.permissions} {
		if err = part(doc, &s); err != nil {
			return s, err
		}
	}
	b := doc.get("file_exists_behavior")
	switch {
	case b.isNil():
	case b.kind == kindString && (b.text == "DISALLOW" || b.text == "OVERWRITE" || b.text == "RETAIN"):
		s.FileExistsBehavior = b.text
	default:
		return s, refuse(b.at, "file-exists-behavior", "file_exists_behavior: "+orElse(problem.Nearest(b.text, []string{"DISALLOW", "OVERWRITE", "RETAIN"}), "DISALLOW"),
			"file_exists_behavior is %s: the CodeDeploy agent knows DISALLOW, OVERWRITE and RETAIN, in capitals", b)
	}
	return s, nil
}

func (p parser) head(doc value) error {
	v := doc.get("version")
	switch {
	case v.kind == kindString && strings.Trim(v.text, "0.") == "" && v.text != "":
		return refuse(v.at, "version", "version: 0.0", "version is a text (%q): the CodeDeploy agent wants the number", v.text)
	case v.isNil():
		return refuse(v.at, "version", "version: 0.0", "there is no version")
	case v.kind != kindInt && v.kind != kindFloat || v.float != 0:
		return refuse(v.at, "version", "version: 0.0", "version is %s: the CodeDeploy agent takes 0.0 only", v)
	}
	os := doc.get("os")
	switch {
	case os.kind == kindString && os.text == "linux":
		return nil
	case os.isNil():
		return refuse(os.at, "os", "os: linux", "there is no os; is this an appspec for ECS or Lambda?")
	case os.kind == kindString && os.text == "windows":
		return refuse(os.at, "os", "os: linux", "os is windows: a CodeDeploy agent on Linux refuses it")
	}
	return refuse(os.at, "os", "os: linux", "os is %s: the CodeDeploy agent takes linux, in small letters", os)
}

func (p parser) hooks(doc value, s *Spec) error {
	all := doc.get("hooks")
	if !all.truth {
		return nil
	}
	if all.kind != kindMap {
		return refuse(all.at, "hooks", "hooks:\n  ApplicationStart:\n    - location: scripts/start.sh", "hooks is %s, not a mapping of lifecycle events", all.kind)
	}
	for _, key := range all.keys {
		event := strings.TrimPrefix(key, "\x00")
		scripts := all.vals[key]
		if scripts.isNil() {
			continue
		}
		if scripts.kind == kindMap && len(scripts.keys) > 0 || scripts.kind != kindList && scripts.kind != kindMap {
			return refuse(scripts.at, "hooks", event+":\n  - location: scripts/start.sh", "%s is %s, not a list of scripts", event, scripts.kind)
		}
		p.event(event, all.key[key])
		list := []Hook{}
		sum := time.Duration(0)
		for _, item := range scripts.list {
			h, err := p.hook(event, item)
			if err != nil {
				return err
			}
			sum += h.Timeout
			list = append(list, h)
		}
		if sum > defaultTimeout*time.Second {
			p.warn(all.key[key], "event-too-long", "lower the timeouts of its scripts", "the timeouts of %s add up to %ds: CodeDeploy ends a lifecycle event after 3600s", event, int(sum.Seconds()))
		}
		s.Hooks[event] = list
	}
	return nil
}

// event warns of a name that CodeDeploy never calls; the CodeDeploy agent itself does not look here.
func (p parser) event(name string, at problem.Position) {
	e := lifecycle.Event(name)
	switch {
	case e.TakesHooks():
	case e.Known():
		p.warn(at, "event-without-hooks", "take it out", "%s is CodeDeploy's own event: its scripts never run", name)
	default:
		var names []string
		for _, e := range lifecycle.Hookable() {
			names = append(names, string(e))
		}
		hint := "the events are " + strings.Join(names, ", ")
		if near := problem.Nearest(name, names); near != "" {
			hint = "did you mean " + near + "?"
		}
		p.warn(at, "unknown-event", hint, "%s is no lifecycle event: its scripts never run", name)
	}
}

// ShellCharacters are those that the CodeDeploy agent, which gives a script's path to a shell unquoted, trips over.
const ShellCharacters = " \t;&|<>()$`\\\"'*?[#~=%!{}"

func (p parser) hook(event string, item value) (Hook, error) {
	h := Hook{Position: item.at}
	if item.kind != kindMap {
		return h, refuse(item.at, "hook", "- location: "+orElse(item.text, "scripts/start.sh"), "%s: the entry is %s, not a mapping with a location", event, item.kind)
	}
	loc := item.get("location")
	h.Location = loc.stripped()
	if loc.isNil() || h.Location == "" {
		return h, refuse(item.at, "location", "- location: scripts/start.sh", "%s: the entry has no location", event)
	}
	if run := item.get("runas"); !run.isNil() {
		name := run.stripped()
		h.RunAs = &name
		if name == "" {
			p.warn(run.at, "empty-runas", "name a user, or take the key out", "runas is empty: the script runs as root")
		}
	}
	sudo := item.get("sudo")
	h.Sudo = sudo.truth
	if sudo.kind == kindString && (strings.EqualFold(sudo.text, "false") || strings.EqualFold(sudo.text, "no")) {
		p.warn(sudo.at, "sudo-text", "sudo: false", "sudo is the text %q, which the CodeDeploy agent takes for true", sudo.text)
	}
	if strings.ContainsAny(h.Location, ShellCharacters) {
		p.warn(loc.at, "location-unquoted", "rename the script; arguments are not supported", "the CodeDeploy agent 1.x passes %q to a shell unquoted", h.Location)
	}
	p.unknownKeys(item)
	return h, p.timeout(item.get("timeout"), &h)
}

func (p parser) unknownKeys(item value) {
	known := []string{"location", "timeout", "runas", "sudo"}
	for _, k := range item.keys {
		name := strings.TrimPrefix(k, "\x00")
		if strings.Contains(" location timeout runas sudo ", " "+k+" ") {
			continue
		}
		hint := "an entry has location, timeout, runas and sudo"
		if near := problem.Nearest(name, known); near != "" {
			hint = "did you mean " + near + "?"
		}
		p.warn(item.key[k], "unknown-key", hint, "the CodeDeploy agent does not know %s and passes over it", name)
	}
}

func (p parser) timeout(t value, h *Hook) error {
	seconds, ok := int64(defaultTimeout), true
	if t.truth {
		seconds, ok = t.toInt()
	}
	if !ok || seconds <= 0 {
		return refuse(t.at, "timeout", "timeout: 300", "timeout is %s: it takes whole seconds, at least 1", orElse(t.String(), "empty"))
	}
	if plain := strconv.FormatInt(seconds, 10); t.truth && (t.kind != kindInt || t.odd) {
		p.warn(t.at, "timeout-not-seconds", "timeout: "+plain, "timeout is not written in plain seconds: the CodeDeploy agent takes it for %ss", plain)
	}
	h.Timeout = time.Duration(min(seconds, int64(1<<33))) * time.Second
	return nil
}

func (p parser) files(doc value, s *Spec) error {
	all := doc.get("files")
	if !all.truth || all.kind == kindMap && len(all.keys) == 0 {
		return nil
	}
	const want = "files:\n  - source: build/app\n    destination: /opt/app"
	if all.kind != kindList {
		return refuse(all.at, "files", want, "files is %s, not a list", all.kind)
	}
	for _, item := range all.list {
		if item.kind != kindMap {
			return refuse(item.at, "files", want, "files: the entry is %s, not a source and a destination", item.kind)
		}
		src, dst := item.get("source"), item.get("destination")
		switch {
		case src.isNil():
			return refuse(item.at, "files-source", want, "files: the entry has no source")
		case dst.isNil():
			return refuse(item.at, "files-destination", want, "files: the entry has no destination for %s", src)
		}
		s.Files = append(s.Files, File{Position: item.at, Source: src.ruby(), Destination: dst.ruby()})
	}
	return nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
