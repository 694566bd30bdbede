// Package agent_test holds the import table: which of our packages may import which. It is the layering, as a test.
package agent_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/codedeploy-wingman/wingman/"

// may says what each package may import, of ours. What is not listed is forbidden. problem carries positions and
// messages for every parser, so all of them may have it.
var may = map[string]string{
	"agent/problem":         "",
	"agent/lifecycle":       "",
	"agent/proc":            "",
	"agent/regular":         "",
	"agent/scope":           "proc",
	"agent/appspec":         "problem lifecycle regular",
	"agent/journal":         "lifecycle regular",
	"agent/check":           "proc",
	"agent/check/checktest": "check",
	"agent/guard":           "lifecycle",
	"agent/deployment":      "lifecycle journal guard",
	"agent/plan":            "problem lifecycle appspec check guard trust regular",
	"agent/run":             "lifecycle plan proc check journal regular",
	"agent/cloud":           "lifecycle guard run deployment",
	"agent/awssim":          "",
	"agent/journald":        "",
	"agent/metrics":         "",
	"agent/trust":           "problem",
	"agent/watch":           "",
	"agent/lint":            "problem lifecycle appspec plan check guard trust",
	"agent/engine":          "problem lifecycle proc appspec journal check guard plan run cloud",
	"agent/api":             "",
	"agent/live":            "api",
	"agent/client":          "api",
	"agent":                 "lifecycle proc journal journald metrics plan run engine api live scope watch",
	"agent/rehearsal":       "problem lifecycle appspec plan guard proc engine awssim cloud hooks",
	"agent/rehearsal/app":   "",
	"agent/breakage":        "awssim cloud deployment guard",
	"agent/cli":             "problem lifecycle proc appspec journal check guard plan run lint engine cloud rehearsal hooks api client live agent scope journald deployment breakage",
	"cmd/wingman":           "cli",
	"hooks":                 "",
	"packaging/docgen":      "cli",
	"packaging/ssm":         "",
	"packaging/test":        "",
}

func TestImportTable(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen++
		name := strings.TrimPrefix(p.ImportPath, module)
		row, listed := may[name]
		if !listed {
			t.Errorf("%s is not in the table: give it a row, with what it may import", name)
		}
		for _, i := range p.Imports {
			short, ours := strings.CutPrefix(i, module)
			if ours && !strings.Contains(" "+row+" ", " "+strings.TrimPrefix(short, "agent/")+" ") {
				t.Errorf("%s imports %s: the table does not allow it", name, short)
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d packages seen: is this the right folder?", seen)
	}
}
