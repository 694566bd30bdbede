package run

import (
	"bytes"
	"math/rand"
	"strings"
	"testing"
)

func redactIn(t testing.TB, secrets []string, chunks ...string) string {
	t.Helper()
	var out bytes.Buffer
	w := NewRedactor(secrets).Writer(&out)
	for _, c := range chunks {
		if n, err := w.Write([]byte(c)); n != len(c) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestRedact(t *testing.T) {
	for _, tt := range []struct {
		name    string
		secrets []string
		chunks  []string
		want    string
	}{
		{"none", nil, []string{"abc"}, "abc"},
		{"an empty value is no secret", []string{""}, []string{"abc"}, "abc"},
		{"whole", []string{"hunter2"}, []string{"pw=hunter2\n"}, "pw=[redacted]\n"},
		{"cut in two", []string{"hunter2"}, []string{"pw=hun", "ter2\n"}, "pw=[redacted]\n"},
		{"byte by byte", []string{"abab"}, strings.Split("aababab", ""), "a[redacted]ab"},
		{"only a beginning", []string{"hunter2"}, []string{"pw=hunt"}, "pw=hunt"},
		{"the longer one wins", []string{"abc", "abcdef"}, []string{"xabc", "defx"}, "x[redacted]x"},
		{"the shorter one after all", []string{"abc", "abcdef"}, []string{"xabc", "dex"}, "x[redacted]dex"},
		{"lines of a key", []string{"BEGIN\nsecretline\n"}, []string{"  secretline\r\n"}, "  [redacted]\r\n"},
		{"twice", []string{"ab"}, []string{"abab"}, "[redacted][redacted]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := redactIn(t, tt.secrets, tt.chunks...); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// However a text is cut, no secret comes through and the result is that of the whole text.
func TestRedactWhateverTheCuts(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	word := func(n int) string {
		b := make([]byte, 1+rnd.Intn(n))
		for i := range b {
			b[i] = "ab\n"[rnd.Intn(3)]
		}
		return string(b)
	}
	for range 3000 {
		secrets := []string{word(4), word(6)}
		text := word(60)
		want := redactIn(t, secrets, text)
		var chunks []string
		for rest := text; rest != ""; {
			n := 1 + rnd.Intn(len(rest))
			chunks, rest = append(chunks, rest[:n]), rest[n:]
		}
		if got := redactIn(t, secrets, chunks...); got != want {
			t.Fatalf("secrets %q, chunks %q: got %q, want %q", secrets, chunks, got, want)
		}
		for _, s := range secrets {
			if strings.Contains(strings.ReplaceAll(want, redacted, "\x00"), s) {
				t.Fatalf("secret %q of %q is in %q", s, text, want)
			}
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("hunter2", "pw=hunter2", 5)
	f.Fuzz(func(t *testing.T, secret, text string, cut int) {
		if cut < 0 || cut > len(text) {
			t.Skip()
		}
		whole := redactIn(t, []string{secret}, text)
		if got := redactIn(t, []string{secret}, text[:cut], text[cut:]); got != whole {
			t.Errorf("cut at %d: %q, whole: %q", cut, got, whole)
		}
	})
}
