package appspec

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What Ruby 3.1 with Psych 4.0.3 and the CodeDeploy agent's own rules made of values that few would write, recorded
// beside appspec-cases.jsonl: the location that the agent sees.
func TestLocationIsWhatRubyMakesOfTheValue(t *testing.T) {
	for in, want := range map[string]string{
		`[a, "b", 5, ~, yes]`: `["a", "b", 5, nil, true]`, `{a: b, 5: [c]}`: `{"a"=>"b", 5=>["c"]}`, "[]": "[]", "{}": "{}",
		"1.50": "1.5", "0.00001": "1.0e-05", "0.0001": "0.0001", "100000000000000000.0": "1.0e+17", "1.0e+15": "1.0e+15", "123456789012345.0": "123456789012345.0",
		".inf": "Infinity", "-.INF": "-Infinity", ".nan": "NaN", "1:30": "5400", "010": "8", "3,600": "3600", "no": "false", "1e3": "1e3",
		`"\u00a0a"`: "\u00a0a", `"\0 a\t\0"`: "a", `!ruby/sym a`: "a", `!!float "1"`: "1.0", "!local a": "a",
	} {
		s, err := Parse([]byte(head+"hooks:\n  AfterInstall:\n    - location: "+in+"\n"), "f")
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if diff := cmp.Diff(want, s.Hooks["AfterInstall"][0].Location); diff != "" {
			t.Errorf("%s: %s", in, diff)
		}
	}
}

func TestCornersAreTakenAndRefusedAsByRuby(t *testing.T) {
	hook, perm := head+"hooks: {AfterInstall: [{location: a, timeout: ", head+"permissions: [{object: /x, "
	for in, taken := range map[string]bool{
		"%YAML 1.2\n---\n" + head:                               true,
		"\xff\xfev\x00e\x00":                                    false,
		"version: !!float '0.0'\nos: linux\n":                   true,
		hook + `"\v30"}]}`:                                      true,
		hook + `"\u00a030"}]}`:                                  false,
		head + `hooks: {AfterInstall: [{location: "\0"}]}`:      false,
		head + "hooks: {AfterInstall: [{<<: {location: a}}]}":   true,
		head + "hooks: {AfterInstall: [{'<<': {location: a}}]}": true,
		head + "hooks: {AfterInstall: [{<<: [{location: a}]}]}": true,
		head + "hooks: {AfterInstall: [{<<: [a], timeout: 3}]}": false,
		head + "hooks: {AfterInstall: !!set {a, b}}":            false,
		head + "a: !ruby/array [b]\n":                           true,
		head + "a: !str:Foo b\n":                                false,
		perm + "acls: {}}]":                                     true,
		perm + "except: {}}]":                                   true,
		perm + "type: {}}]":                                     true,
		perm + "type: {a: b}}]":                                 false,
		perm + "context: {type: ''}}]":                          true,
		perm + "context: {type: t, range: 's0:,'}}]":            true,
		perm + "context: {type: t, range: 's0 '}}]":             false,
		perm + "context: {type: t, range: 's0:c0.c3,c2'}}]":     false,
	} {
		if _, err := Parse([]byte(in), "f"); (err == nil) != taken {
			t.Errorf("%q: taken %v, want %v (%v)", in, err == nil, taken, err)
		}
	}
}
