//go:build unix

package journald

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// listen is a journald: it hands on the fields of each datagram.
func listen(t *testing.T, path string) func() map[string][]string {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func() map[string][]string {
		t.Helper()
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		b := make([]byte, 1<<18)
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return fields(t, string(b[:n]))
	}
}

// fields reads a datagram as journald does.
func fields(t *testing.T, text string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for text != "" {
		line, rest, ok := strings.Cut(text, "\n")
		if !ok {
			t.Fatalf("no end: %q", text)
		}
		name, value, plain := strings.Cut(line, "=")
		if !plain {
			n := binary.LittleEndian.Uint64([]byte(rest[:8]))
			value, rest = rest[8:8+n], rest[8+n:]
			if rest[0] != '\n' {
				t.Fatalf("%s does not end", name)
			}
			rest = rest[1:]
		}
		out[name] = append(out[name], value)
		text = rest
	}
	return out
}

// journal is a log whose standard error is the journal's, a journald that reads it, and what went to standard error.
func journal(t *testing.T) (log *slog.Logger, next func() map[string][]string, stderr func() string, path string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "j") // a socket's path has at most 104 bytes on macOS
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path = filepath.Join(dir, "s")
	next = listen(t, path)
	out, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	info, err := out.Stat()
	if err != nil {
		t.Fatal(err)
	}
	env := func(n string) string { return map[string]string{"JOURNAL_STREAM": stream(info)}[n] }
	log = slog.New(New(Options{Out: out, Getenv: env, Socket: path, Level: slog.LevelDebug}))
	return log, next, func() string {
		t.Helper()
		b, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}, path
}

func TestFields(t *testing.T) {
	log, next, stderr, _ := journal(t)
	log.With(Deployment, "d-1", Event, "ValidateService").Warn("a step failed", Step, "is it up", Err, errors.New("no\nanswer"))
	want := map[string][]string{
		"MESSAGE":  {`a step failed deployment=d-1 event=ValidateService step="is it up" error="no\nanswer"`},
		"PRIORITY": {"4"}, "SYSLOG_IDENTIFIER": {"wingman"},
		"WINGMAN_DEPLOYMENT": {"d-1"}, "WINGMAN_EVENT": {"ValidateService"}, "WINGMAN_STEP": {"is it up"}, "WINGMAN_ERROR": {"no\nanswer"},
	}
	if got := next(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}

	log.WithGroup("").WithGroup("guard").With(Group, "web").WithGroup("aws").Info("two\nlines", "took", 1500*time.Millisecond, slog.Group("", slog.Int("a b", 1)), slog.Group("none"), slog.Attr{})
	got := next()
	if got["MESSAGE"][0] != "two\nlines guard.group=web guard.aws.took=1.5s guard.aws.a b=1" || got["WINGMAN_GUARD_GROUP"][0] != "web" || got["WINGMAN_GUARD_AWS_TOOK"][0] != "1.5s" || got["WINGMAN_GUARD_AWS_A_B"][0] != "1" || len(got) != 6 {
		t.Errorf("got %v", got)
	}
	if s := stderr(); s != "" {
		t.Errorf("stderr has it as well: %s", s)
	}
}

func TestLevels(t *testing.T) {
	log, next, _, _ := journal(t)
	for level, want := range map[slog.Level]string{slog.LevelDebug: "7", slog.LevelInfo: "6", slog.LevelInfo + 1: "6", slog.LevelWarn: "4", slog.LevelError: "3", slog.LevelError + 4: "3"} {
		log.Log(t.Context(), level, "x")
		if got := next()["PRIORITY"][0]; got != want {
			t.Errorf("%s: %s", level, got)
		}
	}
	if New(Options{}).Enabled(t.Context(), slog.LevelDebug) || !New(Options{}).Enabled(t.Context(), slog.LevelInfo) {
		t.Error("the default level is not info")
	}
}

// journald comes back under the same path, and what is too much for a datagram is not lost.
func TestJournaldGone(t *testing.T) {
	log, next, stderr, path := journal(t)
	log.Info("first")
	next()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	next = listen(t, path)
	log.Handler().(*handler).sink.conn.Close() // as where the one that it went to is gone
	log.Info("second")
	if got := next()["MESSAGE"][0]; got != "second" {
		t.Errorf("got %s", got)
	}
	log.Error(strings.Repeat("x", 1<<20))
	if s := stderr(); len(s) != 1<<20+len("<3>\n") || !strings.HasPrefix(s, "<3>xxx") {
		t.Errorf("%d bytes on stderr", len(s))
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	log.Handler().(*handler).sink.conn = nil
	log.Info("third\nline", "a", "b c")
	if s := stderr(); !strings.HasSuffix(s, "\n<6>third\\nline a=\"b c\"\n") {
		t.Errorf("stderr: …%s", s[max(0, len(s)-60):])
	}
}

// Where standard error is no journal's, a line says all; with its time where nobody else writes that.
func TestPlainLines(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, stream := range []string{"", "1:1", "nonsense"} { // a JOURNAL_STREAM that was inherited is not this file's
		slog.New(New(Options{Out: file, Getenv: func(string) string { return stream }})).Warn("slow", Run, "r 1", "n", 3)
	}
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	line := `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d) WARN slow run="r 1" n=3\n`
	if !regexp.MustCompile("^" + line + line + line + "$").Match(text) {
		t.Errorf("got %s", text)
	}

	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	slog.New(New(Options{Out: w})).Info("up", "empty", "")
	w.Close()
	b := make([]byte, 99)
	n, err := r.Read(b)
	if err != nil || string(b[:n]) != "INFO up empty=\"\"\n" {
		t.Errorf("a pipe: %q, %v", b[:n], err)
	}
}

func TestNames(t *testing.T) {
	for key, want := range map[string]string{"deployment": "WINGMAN_DEPLOYMENT", "a.b-c d": "WINGMAN_A_B_C_D", "ü": "WINGMAN___", strings.Repeat("k", 99): "WINGMAN_" + strings.Repeat("K", 56)} {
		if got := name(key); got != want {
			t.Errorf("%s: %s", key, got)
		}
	}
}

// Many write at once; each entry is whole.
func TestAtOnce(t *testing.T) {
	log, next, _, _ := journal(t)
	const n = 50
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { log.With("i", i).Info("x", Run, fmt.Sprint(i)) })
	}
	seen := map[string]bool{}
	for range n {
		f := next()
		if f["WINGMAN_I"][0] != f["WINGMAN_RUN"][0] {
			t.Errorf("mixed up: %v", f)
		}
		seen[f["WINGMAN_RUN"][0]] = true
	}
	wg.Wait()
	if len(seen) != n {
		t.Errorf("%d entries", len(seen))
	}
}
