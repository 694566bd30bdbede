package rehearsal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/codedeploy-wingman/wingman/agent/appspec"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/plan"
)

// prepare makes the two bundles and the hooks' environment.
func (r *rehearsal) prepare() error {
	spec, err := appspec.Load(r.Dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUsage, err)
	}
	if r.Fail != "" && len(spec.Hooks[string(r.Fail)]) == 0 {
		return fmt.Errorf("%w: %s cannot be made to fail: appspec.yml names no script for it", ErrUsage, r.Fail)
	}
	if r.Fail != "" && !r.wants(r.Fail) {
		return fmt.Errorf("%w: %s cannot be made to fail: it is not among the events that were asked for", ErrUsage, r.Fail)
	}
	for _, id := range []string{before, rehearse} {
		if err := copyTree(r.Dir, r.bundle(id)); err != nil {
			return fmt.Errorf("cannot rehearse: %w", err)
		}
	}
	if err := r.port(); err != nil {
		return err
	}
	if r.Fail != "" {
		id := rehearse
		if lifecycle.RevisionOf(r.Fail, false) != lifecycle.Current {
			id = before // its hooks come from there
		}
		if err := fail(r.bundle(id), r.Fail, spec); err != nil {
			return err
		}
	}
	for _, dir := range []string{"logs", "root", "deployment-root"} {
		if err := os.Mkdir(filepath.Join(r.scratch, dir), 0o755); err != nil {
			return fmt.Errorf("cannot rehearse: %w", err)
		}
	}
	if err := os.Chmod(r.scratch, 0o755); err != nil {
		return fmt.Errorf("cannot rehearse: %w", err)
	}
	r.env = append(append([]string{}, r.env...), merged(r.Env, map[string]string{
		"WINGMAN_BIN": r.Wingman, "WINGMAN_CONFIG": filepath.Join(r.scratch, "host.yml"), "WINGMAN_STATE_DIR": filepath.Join(r.scratch, "state"),
		"WINGMAN_LOG_DIR": filepath.Join(r.scratch, "logs"), rootVariable: filepath.Join(r.scratch, "root"),
	})...)
	return nil
}

// rootVariable tells the hooks where files were installed instead of /.
const rootVariable = "WINGMAN_REHEARSAL_ROOT"

// merged gives env with vars put over it.
func merged(env []string, vars map[string]string) []string {
	var out []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if _, over := vars[name]; !over {
			out = append(out, kv)
		}
	}
	for name, v := range vars {
		out = append(out, name+"="+v)
	}
	return out
}

// port gives the application another port where its own, env's PORT in wingman.yml, is taken on this machine.
func (r *rehearsal) port() error {
	rev, err := plan.LoadRevision(r.Dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUsage, err)
	}
	port, err := strconv.Atoi(rev.Env["PORT"])
	if err != nil || free(port) == nil {
		return nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("cannot rehearse: %w", err)
	}
	other := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	for _, id := range []string{before, rehearse} {
		if err := edit(filepath.Join(r.bundle(id), plan.RevisionName), func(root *yaml.Node) { set(at(root, "env", yaml.MappingNode), "PORT", text(other)) }); err != nil {
			return err
		}
	}
	r.note("port %d is taken on this machine: PORT is %s here", port, other)
	return nil
}

func free(port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return l.Close()
}

// fail makes the event fail in one bundle: by one more step where wingman runs the event, else by one
// more script.
func fail(bundle string, event lifecycle.Event, spec appspec.Spec) error {
	const says = "this failure was asked for: rehearse --fail "
	for _, h := range spec.Hooks[string(event)] {
		if base := filepath.Base(h.Location); base != "wingman.sh" {
			continue
		}
		file := filepath.Join(bundle, plan.RevisionName)
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			if err := os.WriteFile(file, []byte("version: 1\n"), 0o600); err != nil {
				return fmt.Errorf("cannot rehearse: %w", err)
			}
		}
		return edit(file, func(root *yaml.Node) {
			steps := at(at(root, "events", yaml.MappingNode), string(event), yaml.SequenceNode)
			step := &yaml.Node{Kind: yaml.MappingNode}
			set(step, "name", text("fail as asked"))
			set(step, "command", &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{text("sh"), text("-c"), text("echo " + says + string(event) + " >&2; exit 1")}})
			steps.Content = append(steps.Content, step)
		})
	}
	const name = "rehearse-fail.sh"
	if err := os.WriteFile(filepath.Join(bundle, name), []byte("#!/bin/sh\necho "+says+string(event)+" >&2\nexit 1\n"), 0o755); err != nil {
		return fmt.Errorf("cannot rehearse: %w", err)
	}
	return edit(filepath.Join(bundle, appspec.Name), func(root *yaml.Node) {
		scripts := at(at(root, "hooks", yaml.MappingNode), string(event), yaml.SequenceNode)
		entry := &yaml.Node{Kind: yaml.MappingNode}
		set(entry, "location", text(name))
		scripts.Content = append(scripts.Content, entry)
	})
}

// edit changes a YAML file; comments stay.
func edit(file string, change func(root *yaml.Node)) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("cannot rehearse: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil || len(doc.Content) == 0 {
		return fmt.Errorf("cannot rehearse: %s: %w", file, err)
	}
	change(doc.Content[0])
	var b bytes.Buffer
	if err := yaml.NewEncoder(&b).Encode(&doc); err != nil {
		return fmt.Errorf("cannot rehearse: %s: %w", file, err)
	}
	return os.WriteFile(file, b.Bytes(), 0o600)
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

// copyTree copies a revision's folder as a bundle carries it: without version control.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" && rel != "." {
			return filepath.SkipDir
		}
		return copyOne(path, filepath.Join(to, rel), d.IsDir())
	})
}
