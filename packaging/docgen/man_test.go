package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/codedeploy-wingman/wingman/agent/cli"
)

// Each command that is shown has a page, with its exit codes as a section of their own, and man has nothing to say of it.
func TestPages(t *testing.T) {
	byFile := map[string]string{}
	for _, p := range pages(cli.Command()) {
		byFile[p.file] = p.text
	}
	var each func(c *cobra.Command)
	each = func(c *cobra.Command) {
		if c.Hidden {
			return
		}
		text := byFile[name(c)+".1"]
		for _, head := range []string{".SH NAME\n" + name(c) + ` \- `, ".SH SYNOPSIS\n", ".SH DESCRIPTION\n"} {
			if !strings.Contains(text, head) {
				t.Errorf("%s has no %q", name(c), head)
			}
		}
		if _, codes, ok := strings.Cut(c.Long, "\nEXIT STATUS\n"); ok {
			_, section, _ := strings.Cut(text, ".SH EXIT STATUS\n")
			for _, m := range regexp.MustCompile(`(?m)^ +(\d+) `).FindAllStringSubmatch(codes, -1) {
				if !strings.Contains(section, ".TP\n.B "+m[1]+"\n") {
					t.Errorf("%s does not say its exit code %s", name(c), m[1])
				}
			}
		}
		for _, sub := range c.Commands() {
			each(sub)
		}
	}
	each(cli.Command())
	if len(byFile) < 20 || strings.Contains(byFile["wingman.1"], "internal") {
		t.Errorf("%d pages", len(byFile))
	}
	man, err := exec.LookPath("man")
	if err != nil {
		t.Skip("skipped the rest: man is not installed")
	}
	for file, text := range byFile {
		path := filepath.Join(t.TempDir(), file)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(man, "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path)
		cmd.Env = append(os.Environ(), "MANWIDTH=80")
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Run(); err != nil || said.Len() > 0 {
			t.Errorf("%s: %v %s", file, err, said.String())
		}
	}
}

func TestRoff(t *testing.T) {
	for in, want := range map[string]string{".x": `\&.x`, "'x": `\&'x`, "--a-b": `\-\-a\-b`, `a\b`: `a\eb`, "a\n.b": "a\n\\&.b"} {
		if got := roff(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
