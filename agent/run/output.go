package run

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"
)

// utf8Writer passes a stream on as valid UTF-8: with one byte that is not, the CodeDeploy agent 1.x loses its
// diagnostics or even fails the event (facts: hook_executor.rb, JSON generation and String#strip). Other bytes, NUL
// and ANSI among them, go through it unharmed.
type utf8Writer struct {
	w    io.Writer
	held []byte // the beginning of a character, at most 3 bytes
	last byte
}

func (u *utf8Writer) Write(p []byte) (int, error) {
	data := p
	if len(u.held) > 0 {
		data = append(u.held, p...)
		u.held = nil
	}
	if cut := incomplete(data); cut < len(data) {
		u.held = append([]byte(nil), data[cut:]...)
		data = data[:cut]
	}
	return len(p), u.pass(data)
}

func (u *utf8Writer) pass(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if !utf8.Valid(data) {
		data = bytes.ToValidUTF8(data, []byte("\uFFFD"))
	}
	u.last = data[len(data)-1]
	_, err := u.w.Write(data)
	return err
}

// EndLine flushes and, where the last line has no end, ends it, so that what follows stands on a line of its own.
func (u *utf8Writer) EndLine() error {
	err := u.pass(u.held)
	u.held = nil
	if u.last != 0 && u.last != '\n' && err == nil {
		err = u.pass([]byte{'\n'})
	}
	return err
}

// incomplete gives where a character begins that data cuts short, or len(data).
func incomplete(data []byte) int {
	for i := len(data) - 1; i >= 0 && i >= len(data)-3; i-- {
		if utf8.RuneStart(data[i]) {
			if !utf8.FullRune(data[i:]) {
				return i
			}
			break
		}
	}
	return len(data)
}

// tail keeps the end of a stream.
type tail struct {
	max int
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	if len(p) >= t.max {
		t.buf = append(t.buf[:0], p[len(p)-t.max:]...)
		return len(p), nil
	}
	if over := len(t.buf) + len(p) - t.max; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	t.buf = append(t.buf, p...)
	return len(p), nil
}

// Lines gives the last n lines as a person can read them: valid UTF-8, without ANSI sequences, control characters
// and blank lines; of a line that a carriage return overwrote, what was to be seen last.
func (t *tail) Lines(n int) []string {
	var out []string
	for _, l := range strings.Split(string(bytes.ToValidUTF8(t.buf, []byte("\uFFFD"))), "\n") {
		if l = Printable(l); strings.TrimSpace(l) != "" {
			out = append(out, l)
		}
	}
	if len(out) > n {
		out = out[len(out)-n:]
	}
	return out
}

// Printable gives one line without what a terminal would act on.
func Printable(line string) string {
	line = strings.TrimRight(line, "\r")
	if i := strings.LastIndexByte(line, '\r'); i >= 0 {
		line = line[i+1:]
	}
	var b strings.Builder
	for i := 0; i < len(line); {
		if line[i] == 0x1b {
			i += escape(line[i:])
			continue
		}
		r, n := utf8.DecodeRuneInString(line[i:])
		switch {
		case r == '\t':
			b.WriteByte(' ')
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029':
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}

// escape gives the length of the escape sequence at s's beginning (ECMA-48: CSI, OSC, and two-character ones).
func escape(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	switch s[1] {
	case '[':
		for i := 2; i < len(s); i++ {
			if s[i] >= 0x40 && s[i] <= 0x7e {
				return i + 1
			}
		}
		return len(s)
	case ']':
		if i := strings.IndexByte(s, 7); i >= 0 {
			return i + 1
		}
		if i := strings.Index(s, "\x1b\\"); i > 0 {
			return i + 2
		}
		return len(s)
	}
	return 2
}
