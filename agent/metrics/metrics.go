// Package metrics writes figures in the text that Prometheus, node_exporter's textfile collector and the CloudWatch agent
// read ("text-based exposition format", version 0.0.4). The service fills it from what it knows at that moment; nothing
// is counted here.
package metrics

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// ContentType is the answer's, over HTTP.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Kind is what a figure is.
type Kind string

// A Counter only grows, until the service is started again; a Gauge goes up and down.
const (
	Counter Kind = "counter"
	Gauge   Kind = "gauge"
)

// Label tells the values of one figure apart.
type Label struct{ Name, Value string }

// Writer writes figures one after the other. It keeps the first error, for Err.
type Writer struct {
	to  io.Writer
	err error
}

// NewWriter makes a writer.
func NewWriter(to io.Writer) *Writer { return &Writer{to: to} }

// Err is what kept it from writing, or the first name that the format does not take.
func (w *Writer) Err() error { return w.err }

// Family begins a figure: its name, of letters, digits, _ and :, a counter's ending in _total, and what it is. What add is
// called with, by values, are all its values; a figure without any is left out, since its absence is what says so.
func (w *Writer) Family(name string, kind Kind, help string, values func(add func(value float64, labels ...Label))) {
	if !named(name, ":") {
		w.fail(fmt.Errorf("cannot write the metric %q: a name has letters, digits, : and _", name))
		return
	}
	var b strings.Builder
	values(func(value float64, labels ...Label) {
		if b.Len() == 0 {
			fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, escape(help, false), name, kind)
		}
		b.WriteString(name)
		for i, l := range labels {
			if !named(l.Name, "") {
				w.fail(fmt.Errorf("cannot write the metric %s: its label %q: a name has letters, digits and _", name, l.Name))
				return
			}
			b.WriteByte("{,"[min(i, 1)])
			b.WriteString(l.Name + `="` + escape(l.Value, true) + `"`)
		}
		if len(labels) > 0 {
			b.WriteByte('}')
		}
		b.WriteString(" " + number(value) + "\n")
	})
	if w.err == nil {
		_, w.err = io.WriteString(w.to, b.String())
	}
}

func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// escape writes a text of the format's: a backslash and a line break, and in a label's value a quote, have one before
// them. What is not UTF-8 makes a reader throw everything away, so it becomes U+FFFD.
func escape(s string, label bool) string {
	s = strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(strings.ToValidUTF8(s, "\uFFFD"))
	if label {
		s = strings.ReplaceAll(s, `"`, `\"`)
	}
	return s
}

func number(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	case v == math.Trunc(v) && math.Abs(v) < 1<<53:
		return strconv.FormatFloat(v, 'f', -1, 64) // a time in seconds reads better in full
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func named(s, also string) bool {
	for i, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || strings.ContainsRune(also, c) || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return s != ""
}
