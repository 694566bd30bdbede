package lifecycle

import (
	"strings"
	"testing"
)

func TestRevisionOf(t *testing.T) {
	for _, tt := range []struct {
		event            Event
		normal, rollback Revision
	}{
		{BeforeBlockTraffic, LastSuccessful, MostRecent},
		{AfterBlockTraffic, LastSuccessful, MostRecent},
		{ApplicationStop, LastSuccessful, LastSuccessful},
		{BeforeInstall, Current, Current},
		{AfterInstall, Current, Current},
		{ApplicationStart, Current, Current},
		{ValidateService, Current, Current},
		{BeforeAllowTraffic, Current, LastSuccessful},
		{AfterAllowTraffic, Current, LastSuccessful},
		{"Custom", Current, Current},
	} {
		t.Run(string(tt.event), func(t *testing.T) {
			if got := RevisionOf(tt.event, false); got != tt.normal {
				t.Errorf("normal: got %s, want %s", got, tt.normal)
			}
			if got := RevisionOf(tt.event, true); got != tt.rollback {
				t.Errorf("blue/green rollback: got %s, want %s", got, tt.rollback)
			}
		})
	}
}

func TestFind(t *testing.T) {
	for _, tt := range []struct{ name, want, err string }{
		{"ValidateService", "ValidateService", ""},
		{"validateservice", "ValidateService", ""},
		{"Install", "", "CodeDeploy's own"},
		{"Nope", "", "no lifecycle event: there are BeforeBlockTraffic, AfterBlockTraffic, ApplicationStop, BeforeInstall"},
	} {
		got, err := Find(tt.name)
		if string(got) != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("Find(%q) = %q, %v; want %q, %q", tt.name, got, err, tt.want, tt.err)
		}
	}
}

func TestHookableAreTheNine(t *testing.T) {
	if got := len(Hookable()); got != 9 {
		t.Errorf("%d events take hooks, want 9", got)
	}
}

func TestVariablesAndFromEnvAreInverse(t *testing.T) {
	d := Deployment{ID: "d-1", Application: "app", Group: "g"}
	vars := d.Variables(Install)
	if got := FromEnv(func(k string) string { return vars[k] }); got != d {
		t.Errorf("got %+v, want %+v", got, d)
	}
	if _, ok := vars[EnvGroupID]; ok {
		t.Error("an empty variable is set")
	}
}

func TestPassesWithoutWingman(t *testing.T) {
	for _, e := range Hookable() {
		want := strings.Contains(string(e), "Traffic") || e == ApplicationStop
		if got := e.PassesWithoutWingman(); got != want {
			t.Errorf("%s: got %v, want %v", e, got, want)
		}
	}
}
