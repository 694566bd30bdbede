package appspec

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const head = "version: 0.0\nos: linux\n"

// What a person is told: where, what is wrong, what to write.
func TestMessages(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "# nothing\n", "f:1:1: the file is empty: it needs version and os at least\n    version: 0.0\n    os: linux"},
		{"tab", "version: 0.0\n\tos: linux\n", "f:2: not YAML: found a tab character that violates indentation\n    a tab? indent with spaces"},
		{"version as a text", "version: \"0.0\"\nos: linux\n", "f:1:10: version is a text (\"0.0\"): the CodeDeploy agent wants the number\n    version: 0.0"},
		{"no version", "os: linux\n", "f:1:1: there is no version\n    version: 0.0"},
		{"version 1", "version: 1.0\nos: linux\n", "f:1:10: version is 1.0: the CodeDeploy agent takes 0.0 only\n    version: 0.0"},
		{"no os", "version: 0.0\n", "f:1:1: there is no os; is this an appspec for ECS or Lambda?\n    os: linux"},
		{"windows", "version: 0.0\nos: windows\n", "f:2:5: os is windows: a CodeDeploy agent on Linux refuses it\n    os: linux"},
		{"hooks a list", head + "hooks: [a]\n", "f:3:8: hooks is a list, not a mapping of lifecycle events"},
		{"scripts a mapping", head + "hooks:\n  AfterInstall:\n    location: a\n", "f:5:5: AfterInstall is a mapping, not a list of scripts"},
		{"script a text", head + "hooks:\n  AfterInstall:\n    - a.sh\n", "f:5:7: AfterInstall: the entry is a text, not a mapping with a location\n    - location: a.sh"},
		{"no location", head + "hooks:\n  AfterInstall:\n    - timeout: 3\n", "f:5:7: AfterInstall: the entry has no location"},
		{"timeout 0", head + "hooks:\n  AfterInstall:\n    - location: a\n      timeout: 0\n", "f:6:16: timeout is 0: it takes whole seconds, at least 1\n    timeout: 300"},
		{"source missing", head + "files:\n  - destination: /x\n", "f:4:5: files: the entry has no source"},
		{"file_exists_behavior", head + "file_exists_behavior: overwrite\n", "f:3:23: file_exists_behavior is overwrite: the CodeDeploy agent knows DISALLOW, OVERWRITE and RETAIN, in capitals\n    file_exists_behavior: OVERWRITE"},
		{"alias", head + "a: &x 1\nb: *x\n", "f:4:4: an alias (*x)"},
		{"date", head + "built: 2026-11-24\n", "f:3:8: a bare date (2026-11-24)"},
		{"mode", head + "permissions:\n  - object: /x\n    mode: 888\n", "f:5:11: permissions: the mode 888 holds '8', which is no octal digit\n    mode: 755"},
		{"mode too long", head + "permissions:\n  - object: /x\n    mode: 07555x\n", "is longer than four digits"},
		{"type", head + "permissions:\n  - object: /x\n    type: [link]\n", "f:5:12: permissions: the type link is neither file nor directory"},
		{"type no list", head + "permissions:\n  - object: /x\n    type: file\n", "f:5:11: permissions: type is a text, not a list"},
		{"acls no list", head + "permissions:\n  - object: /x\n    acls: u:a:r\n", "permissions: acls is a text, not a list"},
		{"acl a number", head + "permissions:\n  - object: /x\n    acls: [7]\n", "the acl entry is a whole number"},
		{"acl letter", head + "permissions:\n  - object: /x\n    acls: [\"u:a:q\"]\n", "holds 'q'"},
		{"acl form", head + "permissions:\n  - object: /x\n    acls: [\"u\"]\n", "is not of the form"},
		{"acl 4 parts", head + "permissions:\n  - object: /x\n    acls: [\"x:u:a:r\"]\n", "is not of the form"},
		{"acl twice default", head + "permissions:\n  - object: /x\n    acls: [\"d:d:a:r\"]\n", "is not of the form"},
		{"acl mask named", head + "permissions:\n  - object: /x\n    acls: [\"m:a:r\"]\n", "is not of the form"},
		{"acl base", head + "permissions:\n  - object: /x\n    acls: [\"g::r\"]\n", "is the base entry: set it by mode"},
		{"context without type", head + "permissions:\n  - object: /x\n    context: {name: a}\n", "the context has no type"},
		{"context a text", head + "permissions:\n  - object: /x\n    context: a\n", "context is a text"},
		{"range down", head + "permissions:\n  - object: /x\n    context: {type: t, range: s2-s1}\n", "it goes down"},
		{"range part", head + "permissions:\n  - object: /x\n    context: {type: t, range: \"s0:\"}\n", "a part is empty"},
		{"category", head + "permissions:\n  - object: /x\n    context: {type: t, range: \"s0:c2000\"}\n", "they go up, to c1023"},
		{"sensitivity", head + "permissions:\n  - object: /x\n    context: {type: t, range: x}\n", "\"x\" is not s and a number"},
		{"range a number", head + "permissions:\n  - object: /x\n    context: {type: t, range: 1}\n", "range is a whole number"},
		{"files entry", head + "files: [a]\n", "files: the entry is a text"},
		{"permissions a text", head + "permissions: a\n", "permissions is a text, not a list"},
		{"ruby object", head + "a: !ruby/object:Object {}\n", "the tag !ruby/object:Object"},
		{"float tag", head + "a: !!float x\n", "is tagged as a number"},
		{"list", "- a\n", "f:1:1: the file is a list, not a mapping"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.in), "f")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// What the CodeDeploy agent takes, and the author hardly meant.
func TestWarnings(t *testing.T) {
	hook := func(event, more string) string {
		return head + "hooks:\n  " + event + ":\n    - location: a.sh\n" + more
	}
	for _, tt := range []struct{ name, in, want string }{
		{"miscased event", hook("afterinstall", ""), "f:4:3: warning: afterinstall is no lifecycle event: its scripts never run\n    did you mean AfterInstall?"},
		{"unknown event", hook("Zebra", ""), "the events are BeforeBlockTraffic"},
		{"CodeDeploy's own", hook("Install", ""), "f:4:3: warning: Install is CodeDeploy's own event: its scripts never run"},
		{"octal timeout", hook("AfterInstall", "      timeout: 1:30\n"), "f:6:16: warning: timeout is not written in plain seconds: the CodeDeploy agent takes it for 5400s\n    timeout: 5400"},
		{"text timeout", hook("AfterInstall", "      timeout: 30s\n"), "f:6:16: warning: timeout is not written in plain seconds: the CodeDeploy agent takes it for 30s"},
		{"sudo as a text", hook("AfterInstall", "      sudo: \"false\"\n"), "f:6:13: warning: sudo is the text \"false\", which the CodeDeploy agent takes for true"},
		{"empty runas", hook("AfterInstall", "      runas: \"\"\n"), "f:6:14: warning: runas is empty: the script runs as root"},
		{"unknown key", hook("AfterInstall", "      timeot: 3\n"), "f:6:7: warning: the CodeDeploy agent does not know timeot and passes over it\n    did you mean timeout?"},
		{"too long", hook("AfterInstall", "    - location: b.sh\n"), "f:4:3: warning: the timeouts of AfterInstall add up to 7200s"},
		{"duplicate key", head + "os: linux\n", "f:3:1: warning: os stands here again"},
		{"second document", head + "---\na: 1\n", "a second YAML document"},
		{"octal mode", head + "permissions:\n  - object: /x\n    mode: 0644\n", "f:5:11: warning: permissions: YAML reads the mode's leading 0 as octal, and so the CodeDeploy agent sets mode 420 instead of 644"},
		{"byte order mark", "\xef\xbb\xbf{version: 0.0, os: linux}", "f:1:1: warning: the file begins with a byte order mark"},
		{"space in a name", head + "hooks:\n  AfterInstall:\n    - location: a b.sh\n", "passes \"a b.sh\" to a shell unquoted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Parse([]byte(tt.in), "f")
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Warnings.Error(); !strings.Contains(got, tt.want) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// A scalar is what Psych makes of it.
func TestTokenize(t *testing.T) {
	for in, want := range map[string]struct {
		kind kind
		text string
	}{
		"": {kindNil, ""}, "~": {kindNil, ""}, "NULL": {kindNil, ""}, "yes": {kindBool, "true"}, "Off": {kindBool, "false"}, "y": {kindString, "y"},
		"0x10": {kindInt, "16"}, "010": {kindInt, "8"}, "0b11": {kindInt, "3"}, "3_600": {kindInt, "3600"}, "1,000": {kindInt, "1000"}, "+5": {kindInt, "5"}, "-7": {kindInt, "-7"},
		"08": {kindString, "08"}, "1:30": {kindInt, "5400"}, "1:30:30": {kindInt, "5430"}, "1:30.5": {kindFloat, "5430.0"}, "0.0": {kindFloat, "0.0"}, "-0.0": {kindFloat, "-0.0"}, ".5": {kindFloat, "0.5"},
		"1.e+3": {kindFloat, "1000.0"}, "0.0e1": {kindString, "0.0e1"}, "0e0": {kindString, "0e0"}, ".": {kindString, "."}, ".inf": {kindFloat, "Infinity"}, "-.INF": {kindFloat, "-Infinity"}, ".nan": {kindFloat, "NaN"},
		":sym": {kindSymbol, "sym"}, "2026-11-24": {kindDate, "2026-11-24"}, "2026-11-24 10:00:00": {kindTime, "2026-11-24 10:00:00"}, "99999999999999999999": {kindInt, "99999999999999999999"},
		"-99999999999999999999": {kindInt, "-99999999999999999999"}, "a.sh": {kindString, "a.sh"}, "truely": {kindString, "truely"},
	} {
		if got := tokenize(in); got.kind != want.kind || got.text != want.text {
			t.Errorf("%q: got %s %q, want %s %q", in, got.kind, got.text, want.kind, want.text)
		}
	}
}

func TestMergeAndTags(t *testing.T) {
	s, err := Parse([]byte("<<: {os: linux}\nversion: !!float 0\nhooks:\n  AfterInstall:\n    - location: !!binary YS5zaA==\n      runas: !!str 5\n"), "f")
	if err != nil || s.Hooks["AfterInstall"][0].Location != "a.sh" || *s.Hooks["AfterInstall"][0].RunAs != "5" {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestLoadAndFind(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := FindRevision(deep); err == nil || !strings.Contains(err.Error(), "--revision DIR") {
		t.Errorf("got %v", err)
	}
	if _, err := Load(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	write := func(name string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(head), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("appspec.yaml")
	if _, err := Load(dir); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "rename appspec.yaml") {
		t.Errorf("got %v", err)
	}
	write("appspec.yml")
	if s, err := Load(dir); err != nil || s.OS != "linux" {
		t.Errorf("got %+v, %v", s, err)
	}
	if got, err := FindRevision(deep); got != dir || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestBudget(t *testing.T) {
	own := func(l string) bool { return strings.HasSuffix(l, "wingman.sh") }
	at := func(l string, s int) Hook { return Hook{Location: l, Timeout: time.Duration(s) * time.Second} }
	for _, tt := range []struct {
		name  string
		hooks []Hook
		want  int
		named bool
	}{
		{"not named", nil, 0, false},
		{"own", []Hook{at("a.sh", 10), at("hooks/wingman.sh", 60)}, 60, true},
		{"own twice", []Hook{at("wingman.sh", 30), at("hooks/wingman.sh", 60)}, 30, true},
		{"none of it ours", []Hook{at("a.sh", 10), at("b.sh", 5)}, 5, true},
	} {
		got, named := Spec{Hooks: map[string][]Hook{"E": tt.hooks}}.Budget("E", own)
		if int(got.Seconds()) != tt.want || named != tt.named {
			t.Errorf("%s: got %s, %v", tt.name, got, named)
		}
	}
}
