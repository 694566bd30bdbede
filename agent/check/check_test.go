package check

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestNewRefuses(t *testing.T) {
	cmd := &Command{Argv: []string{"true"}}
	for _, c := range []struct {
		settings Settings
		want     string
	}{
		{Settings{}, "a check needs one of http, tcp, command, systemd, build"},
		{Settings{Command: cmd, TCP: &TCP{}}, "a check is of one kind, not tcp and command at once"},
		{Settings{Command: cmd, Timing: Timing{StartupTimeout: -1}}, "startup_timeout is negative"},
		{Settings{Command: cmd, Timing: Timing{SuccessThreshold: -1}}, "success_threshold is negative"},
		{Settings{Command: cmd, Timing: Timing{FailureThreshold: -1}}, "failure_threshold is negative"},
		{Settings{Command: cmd, Timing: Timing{Interval: -1}}, "interval is negative"},
		{Settings{Command: cmd, Timing: Timing{Timeout: -1}}, "timeout is negative"},
		{Settings{Command: cmd, Timing: Timing{BakeTime: -1}}, "bake_time is negative"},
		{Settings{Command: &Command{}}, "command: names no program"},
		{Settings{HTTP: &HTTP{URL: "127.0.0.1:80"}}, "http: cannot parse the url: first path segment in URL cannot contain colon"},
		{Settings{HTTP: &HTTP{URL: "ftp://u:secret@h/"}}, `http: the url "ftp://u:xxxxx@h/" must begin with http:// or https://`},
		{Settings{HTTP: &HTTP{URL: "http:///x"}}, `http: the url "http:///x" names no host`},
		{Settings{HTTP: &HTTP{URL: "http://h", Status: "2xx"}}, `http: cannot read "2xx" in status: want codes from 100 to 599 as in "200", "200,204" or "200-399"`},
		{Settings{HTTP: &HTTP{URL: "http://h", Method: "NO GOOD"}}, `http: method "NO GOOD" is none`},
		{Settings{HTTP: &HTTP{URL: "http://h", Method: "HEAD", Body: "x"}}, "http: an answer to HEAD has no body to look at"},
		{Settings{TCP: &TCP{Address: "h"}}, `tcp: the address "h" must be host:port`},
		{Settings{TCP: &TCP{Address: "h:0"}}, `tcp: "0" in "h:0" is no port`},
		{Settings{TCP: &TCP{Address: "h:70000"}}, `tcp: "70000" in "h:70000" is no port`},
		{Settings{Systemd: &Systemd{}}, "systemd: names no unit"},
		{Settings{Systemd: &Systemd{Unit: "--all"}}, `systemd: "--all" is no unit's name`},
		{Settings{Systemd: &Systemd{Unit: "a*"}}, `systemd: "a*" is no unit's name`},
		{Settings{Build: &Build{URL: "x", Equals: "1"}}, `build: the url "x" must begin with http:// or https://`},
		{Settings{Build: &Build{URL: "http://h"}}, "build: needs one of equals and contains (an unset variable leaves it empty)"},
		{Settings{Build: &Build{URL: "http://h", Equals: "a", Contains: "b"}}, "build: needs one of equals and contains (an unset variable leaves it empty)"},
	} {
		if _, err := New(c.settings, nil, ""); err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

func TestKindAndTarget(t *testing.T) {
	for _, c := range []struct {
		settings     Settings
		kind, target string
	}{
		{Settings{}, "", ""},
		{Settings{HTTP: &HTTP{URL: "http://me:secret@127.0.0.1:8080/healthz"}}, "http", "http://me:xxxxx@127.0.0.1:8080/healthz"},
		{Settings{HTTP: &HTTP{URL: "http://me:sec%ret@h"}}, "http", "(a URL that cannot be parsed)"},
		{Settings{HTTP: &HTTP{URL: "http://h/%zz"}}, "http", "http://h/%zz"},
		{Settings{TCP: &TCP{Address: "127.0.0.1:80"}}, "tcp", "127.0.0.1:80"},
		{Settings{Command: &Command{Argv: []string{"check", "-w", "", "it's"}}}, "command", `check -w '' 'it'\''s'`},
		{Settings{Systemd: &Systemd{Unit: "hello.service"}}, "systemd", "hello.service"},
		{Settings{Build: &Build{URL: "https://h/version"}}, "build", "https://h/version"},
	} {
		if kind, target := c.settings.Kind(), c.settings.Target(); kind != c.kind || target != c.target {
			t.Errorf("got %q %q, want %q %q", kind, target, c.kind, c.target)
		}
	}
}

func TestWithDefaults(t *testing.T) {
	want := Timing{2 * time.Minute, 3, 3, 250 * time.Millisecond, time.Second, 0}
	if got := (Timing{}).WithDefaults(); got != want || got.WithDefaults() != want {
		t.Errorf("got %+v", got)
	}
}

func TestOneLine(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{" \n\t", ""},
		{"  a\r\n\tb  ", "a b"},
		{"1234567890", "1234567890"},
		{"1234567890\n", "1234567890"},
		{"12345678901", "123456789…"},
		{"12345678 01", "12345678…"},
		{"\x1b[1;31mred\x1b[0m", "red"},
		{"a\x1b[", "a"},
		{"a\x1b[3\nb", "a b"},
		{"a\x1bb", "a b"},
		{"ü\xffü", "ü\uFFFDü"},
	} {
		if got := oneLine(c.text, 10); got != c.want {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
	if got := detail("a\x00\x1b[1m\n\tb\xff" + strings.Repeat("x", 2*maxDetail)); !strings.HasPrefix(got, "a\n\tb\uFFFDx") || len(got) > maxDetail+3 {
		t.Errorf("got %d bytes: %.20q", len(got), got)
	}
}

func TestParseStatus(t *testing.T) {
	for _, c := range []struct {
		text, want string
		in, out    []int
	}{
		{"", "200-299", []int{200, 299}, []int{199, 300}},
		{" 200 ", "200", []int{200}, []int{201}},
		{"200,204", "200,204", []int{200, 204}, []int{203}},
		{"200-299, 301-302,404", "200-299,301-302,404", []int{250, 301, 302, 404}, []int{300, 403}},
		{"200-200", "200", []int{200}, []int{199, 201}},
	} {
		s, err := ParseStatus(c.text)
		if err != nil || s.String() != c.want {
			t.Errorf("%q: got %q, %v", c.text, s, err)
		}
		for _, code := range c.in {
			if !s.Match(code) {
				t.Errorf("%q should match %d", c.text, code)
			}
		}
		for _, code := range c.out {
			if s.Match(code) {
				t.Errorf("%q should not match %d", c.text, code)
			}
		}
	}
	for _, text := range []string{"2xx", "ok", "99", "600", "200,", "-", "200-", "-200", "300-200", "200-300-400", "+20", "0200"} {
		if s, err := ParseStatus(text); err == nil {
			t.Errorf("%q: got %q, want an error", text, s)
		}
	}
}

func FuzzParseStatus(f *testing.F) {
	for _, text := range []string{"", "200", "200,204", "200-399", "300-200", "2xx", "200--1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseStatus(text)
		if err != nil {
			readable(t, err.Error())
			return
		}
		again, err := ParseStatus(s.String())
		if err != nil || again.String() != s.String() {
			t.Errorf("%q: %q is not read as itself: %q, %v", text, s, again, err)
		}
		some := false
		for code := range 1000 {
			some = some || s.Match(code)
			if s.Match(code) != again.Match(code) || s.Match(code) && (code < 100 || code > 599) {
				t.Errorf("%q: code %d", text, code)
			}
		}
		if !some {
			t.Errorf("%q matches nothing", text)
		}
	})
}

// readable fails t where line is not one printable line of valid UTF-8 without blanks at its ends.
func readable(t *testing.T, line string) {
	t.Helper()
	if !utf8.ValidString(line) || strings.TrimSpace(line) != line || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("not readable: %q", line)
	}
	if n := utf8.RuneCountInString(line); n > 4*maxLine {
		t.Errorf("%d characters: %q", n, line)
	}
}
