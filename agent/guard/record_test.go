package guard

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// fullest is the longest record that there can be: every process claimed, protected and barred.
func fullest() Record {
	now := time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)
	r := Record{Version: 1, ARN: arnHash("arn"), Deployment: owner(strings.Repeat("d", 40)), Until: now.Add(24 * time.Hour), Nonce: "ffffffff", Protect: set("ABHILSTUZ"), Barred: set("ABHILSTUZ")}
	for _, p := range Processes() {
		r.Owned = append(r.Owned, Claim{p, now, now.Add(25 * time.Hour)})
	}
	return r
}

// A tag takes 256 characters of letters, digits, white space and _.:/=+-@ (ASUG, "Tag Auto Scaling groups and instances").
func TestRecordFitsATag(t *testing.T) {
	text := fullest().String()
	if len(text) > 256 {
		t.Errorf("%d characters: %s", len(text), text)
	}
	if !regexp.MustCompile(`^[A-Za-z0-9 _.:/=+@-]+$`).MatchString(text) {
		t.Errorf("a tag does not take: %s", text)
	}
	for _, r := range []Record{fullest(), {Version: 1, ARN: "x", Deployment: "d-1", Until: time.Unix(5, 0).UTC(), Nonce: "n"}} {
		got, err := Parse(r.String())
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%v\ngot  %+v\nwant %+v", err, got, r)
		}
	}
}

func TestNoRecord(t *testing.T) {
	for _, text := range []string{"", "hello", "1 a b c d e", "0 a b 5 d - - -", "1 a b x d - - -", "1 a b 5 d - -", "1 a b 5 d Tzz - -", "1 a b 5 d T1.-1 - -", "1 a b 5 d /T1.1 - -"} {
		if r, err := Parse(text); err == nil || !strings.Contains(err.Error(), "no record of a guard") {
			t.Errorf("%q: %+v, %v", text, r, err)
		}
	}
}

// An id that a tag does not take, or that is too long, is kept as a hash, the same each time.
func TestOwner(t *testing.T) {
	for _, id := range []string{"d-ABCDEFGHI", "manual"} {
		if owner(id) != id {
			t.Errorf("%s became %s", id, owner(id))
		}
	}
	for _, id := range []string{"a b", "", strings.Repeat("x", 41), "ü"} {
		if o := owner(id); !plainID(o) || o != owner(id) || o == id {
			t.Errorf("%q became %q", id, o)
		}
	}
}

func TestUntilOfAWrongClock(t *testing.T) {
	now := time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)
	if got := (Record{Until: now.Add(1000 * time.Hour)}).until(now); !got.Equal(now.Add(24 * time.Hour)) {
		t.Errorf("got %s", got)
	}
}

// Whose a suspension is, by its stamp: whole seconds, truncated, so that it may read a second early.
func TestOurs(t *testing.T) {
	from := time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)
	c := Claim{Terminate, from, from.Add(26 * time.Second)}
	for _, tt := range []struct {
		reason     string
		ours, late bool
	}{
		{"User suspended at 2026-11-25T03:00:10Z", true, false},
		{"User suspended at 2026-11-25T02:59:59Z", true, false},
		{"User suspended at 2026-11-25T02:59:58Z", false, false},
		{"User suspended at 2026-11-25T03:00:26Z", true, false},
		{"User suspended at 2026-11-25T03:00:27Z", false, true},
		{"", true, false},
		{"User suspended at some time", true, false},
		{"This process was suspended by Auto Scaling after 24 hours of failed launches", false, false},
	} {
		if ours, late := c.ours(tt.reason); ours != tt.ours || late != tt.late {
			t.Errorf("%q: ours %t, late %t", tt.reason, ours, late)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(fullest().String())
	f.Add("2 6d3f09ab d-ABCDEFGHI 1795622400 k3x9 T5.p whatever comes")
	f.Add("1 6d3f09ab d-ABCDEFGHI 1795622400 k3x9 - - -")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if err != nil || r.Version > version {
			return
		}
		again, err := Parse(r.String())
		if err != nil || again.String() != r.String() { // sets are written in order
			t.Errorf("%q\nfirst  %+v\nsecond %+v %v", text, r, again, err)
		}
	})
}

// What an event wants, by this instance's place.
func TestWants(t *testing.T) {
	s := Defaults()
	own, green, blue := Want{Side: s.Original}, Want{Side: s.Replacement}, Want{Originals: true, Side: s.Original}
	for _, tt := range []struct {
		event lifecycle.Event
		at    Place
		want  []Want
	}{
		{lifecycle.ApplicationStop, Place{Role: lifecycle.Replacement}, nil},
		{lifecycle.BeforeInstall, Place{Role: lifecycle.Replacement}, []Want{green}},
		{lifecycle.ValidateService, Place{Role: lifecycle.Replacement}, []Want{green}},
		{lifecycle.BeforeAllowTraffic, Place{Role: lifecycle.Replacement}, []Want{green, blue}},
		{lifecycle.AfterAllowTraffic, Place{Role: lifecycle.Replacement}, []Want{green, blue}},
		{lifecycle.BeforeBlockTraffic, Place{Role: lifecycle.Replacement, Creator: "codeDeployRollback"}, []Want{own}},
		{lifecycle.BeforeBlockTraffic, Place{Role: lifecycle.Original}, []Want{own}},
		{lifecycle.AfterBlockTraffic, Place{Role: lifecycle.Original}, nil},
		{lifecycle.BeforeAllowTraffic, Place{Role: lifecycle.Original, Creator: "codeDeployRollback"}, []Want{own}},
		{lifecycle.BeforeBlockTraffic, Place{Role: lifecycle.InPlaceRole}, []Want{own}},
		{lifecycle.ValidateService, Place{Role: lifecycle.InPlaceRole}, nil},
		{lifecycle.BeforeBlockTraffic, Place{Role: lifecycle.Unknown}, []Want{own}},
		{lifecycle.BeforeInstall, Place{Role: lifecycle.Unknown}, nil},
		{lifecycle.BeforeBlockTraffic, Place{Role: lifecycle.InPlaceRole, Creator: "autoscalingTermination"}, nil},
		{lifecycle.Install, Place{Role: lifecycle.Replacement}, nil},
	} {
		if got := s.Wants(tt.event, tt.at); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s as %s (%s): %+v", tt.event, tt.at.Role, tt.at.Creator, got)
		}
	}
	s.Mode = Disabled
	if got := s.Wants(lifecycle.BeforeBlockTraffic, Place{}); got != nil {
		t.Errorf("disabled: %+v", got)
	}
}

// Of a thousand that begin at once about four go first, each of a small deployment at once.
func TestDelay(t *testing.T) {
	first := 0
	for i := range 1000 {
		if Delay(1000, Draw("d-1", strings.Repeat("i", i)), 0.5) == 0 {
			first++
		}
	}
	if first < 1 || first > 10 {
		t.Errorf("%d of 1,000 go first", first)
	}
	for i := range 4 {
		if Delay(4, Draw("d-1", strings.Repeat("i", i)), 0.5) != 0 {
			t.Error("one of four waits")
		}
	}
	if d := Delay(0, 0, 0.999); d <= time.Second || d > 2*time.Second {
		t.Errorf("of an unknown number: %s", d)
	}
	if d := Delay(1000, 0.9, 0.999); d <= 3*time.Second || d > 4*time.Second {
		t.Errorf("the others: %s", d)
	}
}
