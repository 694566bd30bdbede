package run

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestUTF8WriterAcrossChunks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		chunks []string
		want   string
	}{
		{"plain", []string{"abc\n"}, "abc\n"},
		{"a character cut in two", []string{"caf\xc3", "\xa9\n"}, "café\n"},
		{"latin-1", []string{"caf\xe9\n"}, "caf\uFFFD\n"},
		{"cut short at the end", []string{"caf\xc3"}, "caf\uFFFD\n"},
		{"no line end", []string{"a"}, "a\n"},
		{"nothing", nil, ""},
		{"NUL and ANSI go through", []string{"\x00\x1b[31mred\n"}, "\x00\x1b[31mred\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			u := &utf8Writer{w: &out}
			for _, c := range tt.chunks {
				if n, err := u.Write([]byte(c)); n != len(c) || err != nil {
					t.Fatal(n, err)
				}
			}
			if err := u.EndLine(); err != nil {
				t.Fatal(err)
			}
			if out.String() != tt.want {
				t.Errorf("got %q, want %q", out.String(), tt.want)
			}
		})
	}
}

func FuzzUTF8Writer(f *testing.F) {
	f.Add([]byte("caf\xc3\xa9"), 4)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		if cut < 0 || cut > len(data) {
			t.Skip()
		}
		var out bytes.Buffer
		u := &utf8Writer{w: &out}
		u.Write(data[:cut])
		u.Write(data[cut:])
		u.EndLine()
		if !utf8.Valid(out.Bytes()) {
			t.Errorf("%q", out.Bytes())
		}
		if utf8.Valid(data) && !bytes.HasPrefix(out.Bytes(), data) {
			t.Errorf("%q became %q", data, out.Bytes())
		}
	})
}

func TestTailLines(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"last ones", "a\nb\nc\n", []string{"b", "c"}},
		{"no line end", "a\nb", []string{"a", "b"}},
		{"colours", "\x1b[1;31mred\x1b[0m \x1b]0;title\x07x\n", []string{"red x"}},
		{"progress", "10%\r20%\r100%\n", []string{"100%"}},
		{"DOS line", "a\r\n", []string{"a"}},
		{"control characters", "a\x00b\tc\n", []string{"ab c"}},
		{"blank lines", "a\n\n \nb\n\n", []string{"a", "b"}},
		{"not UTF-8", "caf\xe9\n", []string{"caf\uFFFD"}},
		{"cut escape", "a\x1b[", []string{"a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tl := &tail{max: 100}
			tl.Write([]byte(tt.in))
			got := tl.Lines(2)
			if strings.Join(got, "|") != strings.Join(tt.want, "|") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTailIsBounded(t *testing.T) {
	tl := &tail{max: 10}
	for range 1000 {
		tl.Write([]byte("abc"))
	}
	tl.Write([]byte("0123456789ABC"))
	if got := string(tl.buf); got != "3456789ABC" {
		t.Errorf("got %q", got)
	}
}
