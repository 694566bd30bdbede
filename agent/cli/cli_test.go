package cli

import (
	"bytes"
	"flag"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/codedeploy-wingman/wingman/agent/check"
)

func TestMain(m *testing.M) {
	// The tests of the guard wait, as its protocol does, and compute little: many go at once.
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){
		"wingman": func() { os.Exit(Main(os.Args[1:], Std())) },
	})
}

// The scripts in testdata/script are the command line's documentation: what is typed, what comes out, which exit code.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: os.Getenv("UPDATE") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("WINGMAN_STATE_DIR", filepath.Join(e.WorkDir, ".state"))
			e.Setenv("WINGMAN_LOG_DIR", filepath.Join(e.WorkDir, ".logs"))
			e.Setenv("AWS_EC2_METADATA_DISABLED", "true") // a script that wants AWS starts the simulator
			hooks, err := filepath.Abs(filepath.Join("..", "..", "hooks"))
			if err != nil {
				return err
			}
			e.Setenv("HOOKS", hooks)
			e.Setenv("WINGMAN_CONFIG", filepath.Join(e.WorkDir, "host.yml"))
			e.Setenv("WINGMAN_SOCKET", filepath.Join(e.WorkDir, "run", "w.sock"))
			e.Setenv("TZ", "UTC")
			e.Values["aws"] = &amazon{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code, "aws": aws},
	})
}

// code runs a command and wants that exit code: code 1 wingman hook
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command args…")
	}
	err := ts.Exec("sh", append([]string{"-c", `want=$1; shift; "$@"; got=$?; test "$got" = "$want" || { echo "exit code $got, want $want" >&2; exit 1; }`, "code"}, args...)...)
	if err != nil {
		ts.Fatalf("%v", err)
	}
}

// Each command says what it is for, and those that act say what their exit codes mean; each has a script.
func TestEveryCommandIsExplained(t *testing.T) {
	scripts, err := filepath.Glob(filepath.Join("testdata", "script", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var typed strings.Builder
	for _, s := range scripts {
		b, err := os.ReadFile(s)
		if err != nil {
			t.Fatal(err)
		}
		typed.Write(b)
	}
	a := &app{Streams: Std()}
	for _, c := range a.root().Commands() {
		if c.Hidden {
			continue
		}
		if c.Short == "" {
			t.Errorf("%s: no help", c.Name())
		}
		if c.Name() != "version" && !strings.Contains(c.Long, "EXIT STATUS") {
			t.Errorf("%s: its help has no EXIT STATUS", c.Name())
		}
		if !strings.Contains(typed.String(), "wingman "+c.Name()) {
			t.Errorf("%s: no script in testdata/script runs it", c.Name())
		}
		named(t, c)
	}
	if lines := strings.Count(about, "\n") + 1; lines > 24 {
		t.Errorf("wingman alone prints %d lines, at most 24", lines)
	}
}

func named(t *testing.T, c *cobra.Command) {
	t.Helper()
	if !strings.Contains(about, c.Name()) {
		t.Errorf("wingman alone does not name %s", c.Name())
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// On a terminal each update rewrites the table in place; a line that the terminal would wrap is cut before.
func TestProgressFitsTheTerminal(t *testing.T) {
	var out bytes.Buffer
	a := &app{Streams: Streams{Out: &out, Terminal: true, Width: 60}, output: "text"}
	show := a.progress([]check.Named{{Name: "a"}, {Name: strings.Repeat("long ", 10)}})
	for i, name := range []string{"a", strings.Repeat("long ", 10)} {
		show(check.Update{Index: i, Result: check.Result{Name: name, Last: check.Observation{Reason: strings.Repeat("reason ", 20)}}})
	}
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.NewReplacer("\x1b[2A", "", "\x1b[2K", "", "\n", "").Replace(line)); n >= 60 {
			t.Errorf("%d characters: %q", n, line)
		}
	}
	if strings.Count(out.String(), "\n") != 4 || !strings.Contains(out.String(), "\x1b[2A") {
		t.Errorf("printed %q", out.String())
	}
}

// What stands below a line leaves the columns alone.
func TestColumnsHoldTogether(t *testing.T) {
	var out bytes.Buffer
	a := &app{Streams: Streams{Out: &out}}
	if err := a.rows("A\tB\tC", []row{{[]string{"1", "long one", "3"}, "why"}, {[]string{"a long name", "2", "3"}, ""}}); err != nil {
		t.Fatal(err)
	}
	if want := "A            B         C\n1            long one  3\n  why\na long name  2         3\n"; out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
}
