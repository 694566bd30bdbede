package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// module is one that the product links.
type module struct {
	Path, Version, Dir string
	Main               bool
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|notice|copying|patents)`)

// licences gives the texts under which others' code is linked into wingman: theirs say that they go with the binary.
func licences() ([]byte, error) {
	mods, err := linked()
	if err != nil {
		return nil, err
	}
	env, err := exec.Command("go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return nil, fmt.Errorf("cannot find Go's own licence: %w", err)
	}
	root, version, _ := strings.Cut(strings.TrimSpace(string(env)), "\n")
	mods = append(mods, module{Path: "The Go standard library", Version: version, Dir: root})
	out := bytes.NewBufferString("Wingman is Apache-2.0. It links these, under their own licences.\n")
	for _, m := range mods {
		fmt.Fprintf(out, "\n%s\n%s %s\n", "================================================================================", m.Path, m.Version)
		entries, err := os.ReadDir(m.Dir)
		if err != nil {
			return nil, err
		}
		found := false
		for _, e := range entries {
			if e.IsDir() || !licenceFile.MatchString(e.Name()) {
				continue
			}
			text, err := os.ReadFile(filepath.Join(m.Dir, e.Name()))
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(out, "\n---- %s\n\n%s", e.Name(), text)
			found = true
		}
		if !found {
			return nil, fmt.Errorf("%s has no licence: look at it before it is linked", m.Path)
		}
	}
	return out.Bytes(), nil
}

// linked gives the modules of the packages that the Linux binary is made of, on both processors alike.
func linked() ([]module, error) {
	cmd := exec.Command("go", "list", "-deps", "-json=Module", "./cmd/wingman")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("cannot list what is linked: %w", err)
	}
	seen := map[string]module{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ Module *module }
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if p.Module != nil && !p.Module.Main {
			seen[p.Module.Path] = *p.Module
		}
	}
	var mods []module
	for _, m := range seen {
		mods = append(mods, m)
	}
	slices.SortFunc(mods, func(a, b module) int { return bytes.Compare([]byte(a.Path), []byte(b.Path)) })
	return mods, nil
}
