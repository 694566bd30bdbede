// Command docgen writes what the packages say about wingman, from the command line itself and from the modules that are
// linked into it: man pages, completions for shells, and the licences of others' code.
//
//	go run ./packaging/docgen DIR
package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/codedeploy-wingman/wingman/agent/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: docgen DIR")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	root := cli.Command()
	for _, page := range pages(root) {
		if err := put(filepath.Join(dir, "man", page.file+".gz"), packed([]byte(page.text))); err != nil {
			return err
		}
	}
	for shell, script := range map[string]func(io.Writer) error{
		"bash": func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"zsh":  root.GenZshCompletion,
		"fish": func(w io.Writer) error { return root.GenFishCompletion(w, true) },
	} {
		var b bytes.Buffer
		if err := script(&b); err != nil {
			return err
		}
		if err := put(filepath.Join(dir, "completion", shell), b.Bytes()); err != nil {
			return err
		}
	}
	text, err := licences()
	if err != nil {
		return err
	}
	return put(filepath.Join(dir, "third-party-licenses.gz"), packed(text))
}

// packed is gzip's form without a name or a time, so that it is the same each time.
func packed(text []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	w.Write(text)
	w.Close()
	return b.Bytes()
}

func put(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

type page struct{ file, text string }

// pages gives a page for each command that is shown, the whole program's first.
func pages(c *cobra.Command) []page {
	out := []page{{name(c) + ".1", manPage(c)}}
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			out = append(out, pages(sub)...)
		}
	}
	return out
}
