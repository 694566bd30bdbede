// Command ssm makes the package for SSM's Distributor from the .deb and .rpm files in a folder: a zip for each, with
// install.sh, uninstall.sh and update.sh, and manifest.json, which says for which platform each is.
//
//	go run ./packaging/ssm VERSION DIR
//
// The form is that of "Create a package (advanced)" in the Systems Manager User Guide, the platforms' names those of the
// SSM agent's source (envdetect/constants).
package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	//go:embed install.sh
	install []byte
	//go:embed uninstall.sh
	uninstall []byte
)

// platforms are those on which the format is the host's own and systemd is there.
var platforms = map[string][]string{
	".deb": {"debian", "ubuntu"},
	".rpm": {"amazon", "redhat", "centos", "rocky", "oracle"},
}

// architectures says by which part of a package's name it is for which of SSM's architectures.
var architectures = map[string]string{"amd64": "x86_64", "x86_64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}

// manifest is what Distributor reads.
type manifest struct {
	SchemaVersion string                                          `json:"schemaVersion"`
	Version       string                                          `json:"version"`
	Publisher     string                                          `json:"publisher"`
	Packages      map[string]map[string]map[string]map[string]any `json:"packages"` // platform, version, architecture, {file: …}
	Files         map[string]map[string]map[string]string         `json:"files"`    // name, {checksums: {sha256: …}}
}

func main() {
	err := errors.New("usage: ssm VERSION DIR")
	if len(os.Args) == 3 {
		err = run(os.Args[1], os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ssm:", err)
		os.Exit(1)
	}
}

func run(version, dir string) error {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH is not set to seconds since 1970: %w", err)
	}
	// Distributor takes letters, digits, and _ - . in a version, and compares none.
	m := manifest{"2.0", regexp.MustCompile(`[^0-9A-Za-z_.-]`).ReplaceAllString(version, "-"), "codedeploy-wingman",
		map[string]map[string]map[string]map[string]any{}, map[string]map[string]map[string]string{}}
	for _, format := range []string{".deb", ".rpm"} {
		found, err := filepath.Glob(filepath.Join(dir, "codedeploy-wingman*"+format))
		if err != nil {
			return err
		}
		for _, file := range found {
			if err := m.add(file, format, time.Unix(seconds, 0).UTC()); err != nil {
				return err
			}
		}
	}
	if len(m.Files) == 0 {
		return fmt.Errorf("there is no package in %s", dir)
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "manifest.json"), append(text, '\n'), 0o644)
}

// add makes a package's zip and names it in the manifest.
func (m *manifest) add(file, format string, at time.Time) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	parts := strings.FieldsFunc(strings.TrimSuffix(filepath.Base(file), format), func(r rune) bool { return r == '.' || r == '_' || r == '-' })
	arch := architectures[parts[len(parts)-1]]
	if strings.HasSuffix(file, "x86_64"+format) {
		arch = "x86_64"
	}
	if arch == "" {
		return fmt.Errorf("cannot tell the architecture of %s", file)
	}
	packed, err := archive(at, []entry{
		{"install.sh", install, 0o755}, {"uninstall.sh", uninstall, 0o755},
		{"update.sh", install, 0o755}, // for Distributor's in-place update: the same, it installs over what is there
		{filepath.Base(file), data, 0o644},
	})
	if err != nil {
		return err
	}
	name := fmt.Sprintf("codedeploy-wingman-ssm-%s-%s-%s.zip", m.Version, strings.TrimPrefix(format, "."), arch) // a new version must have new names
	sum := sha256.Sum256(packed)
	m.Files[name] = map[string]map[string]string{"checksums": {"sha256": hex.EncodeToString(sum[:])}}
	for _, p := range platforms[format] {
		if m.Packages[p] == nil {
			m.Packages[p] = map[string]map[string]map[string]any{"_any": {}}
		}
		m.Packages[p]["_any"][arch] = map[string]any{"file": name}
	}
	return os.WriteFile(filepath.Join(filepath.Dir(file), name), packed, 0o644)
}

type entry struct {
	name string
	data []byte
	mode os.FileMode
}

func archive(at time.Time, entries []entry) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: at}
		h.SetMode(e.mode)
		part, err := w.CreateHeader(h)
		if err == nil {
			_, err = part.Write(e.data)
		}
		if err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}
