package metrics

import (
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestExposition(t *testing.T) {
	var b strings.Builder
	w := NewWriter(&b)
	w.Family("wingman_runs_total", Counter, "Runs that ended,\nby how: a \\ and a \"quote\".", func(add func(float64, ...Label)) {
		add(3, Label{"event", "ValidateService"}, Label{"verdict", "succeeded"})
		add(0, Label{"event", `a\b"c` + "\n"}, Label{"verdict", "\xff"})
	})
	w.Family("wingman_nothing", Gauge, "no value", func(func(float64, ...Label)) {})
	w.Family("wingman_codedeploy_agent_last_poll_timestamp_seconds", Gauge, "When.", func(add func(float64, ...Label)) { add(1795633809) })
	w.Family("wingman:ratio", Gauge, "", func(add func(float64, ...Label)) {
		add(0.25)
		add(-1e300)
		add(math.Inf(1))
		add(math.Inf(-1))
		add(math.NaN())
	})
	want := `# HELP wingman_runs_total Runs that ended,\nby how: a \\ and a "quote".
# TYPE wingman_runs_total counter
wingman_runs_total{event="ValidateService",verdict="succeeded"} 3
wingman_runs_total{event="a\\b\"c\n",verdict="` + "\uFFFD" + `"} 0
# HELP wingman_codedeploy_agent_last_poll_timestamp_seconds When.
# TYPE wingman_codedeploy_agent_last_poll_timestamp_seconds gauge
wingman_codedeploy_agent_last_poll_timestamp_seconds 1795633809
# HELP wingman:ratio 
# TYPE wingman:ratio gauge
wingman:ratio 0.25
wingman:ratio -1e+300
wingman:ratio +Inf
wingman:ratio -Inf
wingman:ratio NaN
`
	if b.String() != want || w.Err() != nil {
		t.Errorf("%v:\n%s", w.Err(), &b)
	}
}

func TestBadNames(t *testing.T) {
	for _, name := range []string{"", "1a", "a-b", "a b", "ä"} {
		w := NewWriter(&strings.Builder{})
		w.Family(name, Gauge, "", func(add func(float64, ...Label)) { add(1) })
		if w.Err() == nil {
			t.Errorf("the metric %q is taken", name)
		}
		w = NewWriter(&strings.Builder{})
		w.Family("a", Gauge, "", func(add func(float64, ...Label)) { add(1, Label{name, "x"}) })
		if w.Err() == nil {
			t.Errorf("the label %q is taken", name)
		}
	}
	w := NewWriter(&strings.Builder{})
	w.Family("a", Gauge, "", func(add func(float64, ...Label)) { add(1, Label{"a:b", "x"}) })
	if w.Err() == nil {
		t.Error("a label with a colon is taken")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestTheFirstErrorIsKept(t *testing.T) {
	w := NewWriter(broken{})
	for range 2 {
		w.Family("a", Gauge, "", func(add func(float64, ...Label)) { add(1) })
	}
	if w.Err() == nil || w.Err().Error() != "gone" {
		t.Errorf("%v", w.Err())
	}
}

// Whatever a label's value is, a reader gets one line, and from it the value back.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "a", `\`, `\n`, "\n", `"`, `\"`, "\xff\xfe", "ü\r\t\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var b strings.Builder
		w := NewWriter(&b)
		w.Family("a", Gauge, s, func(add func(float64, ...Label)) { add(1, Label{"l", s}) })
		lines := strings.Split(b.String(), "\n")
		if w.Err() != nil || len(lines) != 4 || !utf8.ValidString(b.String()) {
			t.Fatalf("%v: %q", w.Err(), b.String())
		}
		value, ok := strings.CutPrefix(lines[2], `a{l="`)
		value, end := strings.CutSuffix(value, `"} 1`)
		if got, closed := unescape(value); !ok || !end || closed || got != strings.ToValidUTF8(s, "\uFFFD") {
			t.Errorf("%q came back as %q from %q", s, got, lines[2])
		}
	})
}

// unescape reads a label's value as Prometheus does; closed says that an unescaped quote ended it early.
func unescape(s string) (out string, closed bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '"' {
			return b.String(), true
		}
		if s[i] == '\\' && i+1 < len(s) {
			i++
			if s[i] == 'n' {
				b.WriteByte('\n')
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), false
}
