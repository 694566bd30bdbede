package run

import (
	"bytes"
	"io"
	"sort"
	"strings"
)

// redacted stands where a secret stood.
const redacted = "[redacted]"

// Redactor removes secrets from a stream, also those that are cut in two by the stream's chunks. It holds back only
// what may be the beginning of a secret. Secrets of several lines are also removed line by line, since programs
// print them indented or with other line ends.
type Redactor struct {
	secrets [][]byte // longest first
	text    *strings.Replacer
}

// NewRedactor removes values; empty ones are passed over.
func NewRedactor(values []string) *Redactor {
	seen := map[string]bool{}
	var all []string
	add := func(v string) {
		if v != "" && !seen[v] {
			seen[v] = true
			all = append(all, v)
		}
	}
	for _, v := range values {
		add(v)
		lines := strings.Split(v, "\n")
		if len(lines) == 1 {
			continue
		}
		for _, l := range lines {
			if l = strings.TrimSpace(l); len(l) >= 4 {
				add(l)
			}
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return len(all[i]) > len(all[j]) })
	r := &Redactor{}
	var pairs []string
	for _, v := range all {
		r.secrets = append(r.secrets, []byte(v))
		pairs = append(pairs, v, redacted)
	}
	r.text = strings.NewReplacer(pairs...)
	return r
}

// String removes the secrets from s.
func (r *Redactor) String(s string) string { return r.text.Replace(s) }

// Writer gives a stream to w without the secrets. Close flushes what was held back; it does not close w.
func (r *Redactor) Writer(w io.Writer) io.WriteCloser {
	if len(r.secrets) == 0 {
		return nopCloser{w}
	}
	return &redactWriter{r: r, w: w}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

type redactWriter struct {
	r    *Redactor
	w    io.Writer
	held []byte
}

func (rw *redactWriter) Write(p []byte) (int, error) {
	data := append(rw.held, p...)
	out, rest := rw.r.scan(data, false)
	_, err := rw.w.Write(out)
	rw.held = append([]byte(nil), rest...)
	return len(p), err
}

func (rw *redactWriter) Close() error {
	out, _ := rw.r.scan(rw.held, true)
	rw.held = nil
	if len(out) == 0 {
		return nil
	}
	_, err := rw.w.Write(out)
	return err
}

// scan gives data with each secret replaced, and the rest that must wait since it may be a secret's beginning.
func (r *Redactor) scan(data []byte, end bool) (out, rest []byte) {
	for len(data) > 0 {
		at, length := r.first(data)
		limit := len(data)
		if at >= 0 {
			limit = at
		}
		if !end {
			if wait := r.mayBegin(data, limit, length); wait >= 0 {
				return append(out, data[:wait]...), data[wait:]
			}
		}
		if at < 0 {
			return append(out, data...), nil
		}
		out = append(append(out, data[:at]...), redacted...)
		data = data[at+length:]
	}
	return out, nil
}

// first finds the first secret, the longest of those that begin there.
func (r *Redactor) first(data []byte) (at, length int) {
	at = -1
	for _, s := range r.secrets {
		if i := bytes.Index(data, s); i >= 0 && (at < 0 || i < at) {
			at, length = i, len(s)
		}
	}
	return at, length
}

// mayBegin finds the first place, not after limit, from which data to its end is the beginning of a secret that is
// longer than what is known to stand at limit.
func (r *Redactor) mayBegin(data []byte, limit, known int) int {
	best := -1
	for _, s := range r.secrets {
		for n := min(len(s)-1, len(data)); n > 0; n-- {
			at := len(data) - n
			if at > limit || at == limit && len(s) <= known {
				break
			}
			if bytes.HasPrefix(s, data[at:]) {
				if best < 0 || at < best {
					best = at
				}
				break
			}
		}
	}
	return best
}
