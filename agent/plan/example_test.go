package plan

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"testing"
)

// The host.yml that the packages bring: as it is it says nothing, and with every line put in force it says the defaults.
func TestPackagedHostYML(t *testing.T) {
	const file = "../../packaging/host.yml"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	in := regexp.MustCompile(`(?m)^#( *[a-z_]+:)`).ReplaceAll(text, []byte("$1")) // prose has a space first
	want := DefaultHost()
	want.File = file
	for name, text := range map[string][]byte{"as it is": text, "all in force": in} {
		h, err := ParseHost(text, file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(h.Policy.Users) == 0 && len(h.Policy.Processes) == 0 && len(h.DefaultEvents) == 0 { // empty and absent mean the same
			h.Policy.Users, h.Policy.Processes, h.DefaultEvents = want.Policy.Users, want.Policy.Processes, want.DefaultEvents
		}
		if !reflect.DeepEqual(h, want) {
			t.Errorf("%s: got %+v\nwant %+v", name, h, want)
		}
	}
	var schema struct{ Properties map[string]any }
	known, err := Schema("host")
	if err == nil {
		err = json.Unmarshal([]byte(known), &schema)
	}
	if err != nil || len(schema.Properties) < 5 {
		t.Fatalf("%v %v", err, schema)
	}
	for key := range schema.Properties {
		if !regexp.MustCompile(`(?m)^#` + key + `:`).Match(text) {
			t.Errorf("%s does not show the key %s", file, key)
		}
	}
}
