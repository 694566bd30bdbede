package rehearsal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"gopkg.in/yaml.v3"

	"github.com/codedeploy-wingman/wingman/agent/appspec"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/plan"
)

// asked is said by what is made to fail.
const asked = "this failure was asked for: rehearse --fail "

// fail makes the event fail in an unpacked revision: by one more step where wingman runs the event, else by one more
// script. restore takes it back.
func fail(archive string, event lifecycle.Event, spec appspec.Spec) (restore func() error, err error) {
	for _, h := range spec.Hooks[string(event)] {
		if filepath.Base(h.Location) == "wingman.sh" {
			return failStep(filepath.Join(archive, plan.RevisionName), event)
		}
	}
	const name = "rehearse-fail.sh"
	if err := os.WriteFile(filepath.Join(archive, name), []byte("#!/bin/sh\necho "+asked+string(event)+" >&2\nexit 1\n"), 0o755); err != nil {
		return nil, fmt.Errorf("cannot rehearse: %w", err)
	}
	return edit(filepath.Join(archive, appspec.Name), func(root *yaml.Node) {
		scripts := at(at(root, "hooks", yaml.MappingNode), string(event), yaml.SequenceNode)
		entry := &yaml.Node{Kind: yaml.MappingNode}
		set(entry, "location", text(name))
		scripts.Content = append(scripts.Content, entry)
	})
}

func failStep(file string, event lifecycle.Event) (restore func() error, err error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(file, []byte("version: 1\n"), 0o600); err != nil {
			return nil, fmt.Errorf("cannot rehearse: %w", err)
		}
	}
	return edit(file, func(root *yaml.Node) {
		steps := at(at(root, "events", yaml.MappingNode), string(event), yaml.SequenceNode)
		step := &yaml.Node{Kind: yaml.MappingNode}
		set(step, "name", text("fail as asked"))
		set(step, "command", &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{text("sh"), text("-c"), text("echo " + asked + string(event) + " >&2; exit 1")}})
		steps.Content = append(steps.Content, step)
	})
}

// adapt has a revision use this instance's address and port where wingman.yml's env has its own, which would go over
// the environment's.
func adapt(archive, address string, port int) error {
	rev, err := plan.LoadRevision(archive)
	if err != nil {
		return err
	}
	over := map[string]string{}
	for name, value := range map[string]string{"ADDRESS": address, "PORT": strconv.Itoa(port)} {
		if own, named := rev.Env[name]; named && own != value {
			over[name] = value
		}
	}
	if len(over) == 0 {
		return nil
	}
	_, err = edit(filepath.Join(archive, plan.RevisionName), func(root *yaml.Node) {
		env := at(root, "env", yaml.MappingNode)
		for name, value := range over {
			set(env, name, text(value))
		}
	})
	return err
}

// edit changes a YAML file; comments stay. restore puts back what was there.
func edit(file string, change func(root *yaml.Node)) (restore func() error, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot rehearse: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("cannot rehearse: %s: %w", file, err)
	}
	if len(doc.Content) == 0 { // an empty file
		doc = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode}}}
	}
	change(doc.Content[0])
	var b bytes.Buffer
	if err := yaml.NewEncoder(&b).Encode(&doc); err != nil {
		return nil, fmt.Errorf("cannot rehearse: %s: %w", file, err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("cannot rehearse: %w", err)
	}
	return func() error { return os.WriteFile(file, data, info.Mode()) }, os.WriteFile(file, b.Bytes(), info.Mode())
}

// at gives the value of a key, which is made, and made the asked kind, where it is not there.
func at(m *yaml.Node, key string, kind yaml.Kind) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if v := m.Content[i+1]; m.Content[i].Value == key && v.Kind == kind {
			return v
		}
	}
	v := &yaml.Node{Kind: kind}
	set(m, key, v)
	return v
}

func set(m *yaml.Node, key string, v *yaml.Node) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			m.Content[i+1] = v
			return
		}
	}
	m.Content = append(m.Content, text(key), v)
}

func text(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Style: yaml.DoubleQuotedStyle}
}
