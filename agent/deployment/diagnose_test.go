package deployment

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

func at(minute int) time.Time { return time.Date(2026, 11, 25, 2, minute, 0, 0, time.UTC) }

// failed is a blue/green deployment of which one event failed on so many replacements, with these diagnostics. The
// scenes of breakage have whole deployments; what is here is one thing at a time.
func failed(instances int, event string, d Diagnostics) Evidence {
	e := Evidence{Version: Version, Deployment: "d-ABCDEFGHI", Region: "eu-west-1", Asked: at(40), Here: at(40)}
	e.Info.Value = Info{Application: "shop", Group: "web", Status: "Failed", ErrorCode: "HEALTH_CONSTRAINTS", BlueGreen: true, Traffic: true, Copies: true, Created: at(0), Completed: at(30),
		Replacement: []string{"CodeDeploy_web_d-ABCDEFGHI"}, TargetGroups: []string{"web"}, Counts: &Counts{Failed: instances}, Revision: "s3://bucket/shop 1.zip"}
	e.Group.Value = Group{ID: "dg", Scaling: []Hooked{{Name: "web", Hook: "CodeDeploy-managed-automatic-launch-deployment-hook-web-1"}}, BlueGreen: true, LastTried: e.Deployment}
	blue, green := Scaling{Created: at(0).Add(-time.Hour)}, Scaling{Created: at(1), Tags: map[string]string{ProvisioningTag: e.Deployment}}
	health := TargetGroup{Name: "web", State: Item[Balancing]{Value: Balancing{ARN: "arn:tg", Port: 80, CheckPort: "traffic-port", Used: true}}}
	for n := range instances {
		old, fresh := fmt.Sprintf("i-blue%04d", n), fmt.Sprintf("i-green%04d", n)
		blue.Instances = append(blue.Instances, Instance{ID: old, State: "InService", Healthy: true})
		green.Instances = append(green.Instances, Instance{ID: fresh, State: "InService", Healthy: true})
		health.Health.Value = append(health.Health.Value, Health{ID: old, Port: 80, State: "healthy"})
		e.Targets.Value = append(e.Targets.Value, Target{ID: fresh, Label: "Green", Status: "Failed", Events: []Event{{Name: event, Status: "Failed", Start: at(10), End: at(11), Diagnostics: &d}}})
	}
	e.Scaling = []ScalingGroup{{Name: "web", State: Item[Scaling]{Value: blue}}, {Name: "CodeDeploy_web_d-ABCDEFGHI", State: Item[Scaling]{Value: green}}}
	e.Balanced = []TargetGroup{health}
	return e
}

// The words that the CodeDeploy agent, Ruby, S3 and CodeDeploy have for a failure, beside those in the scenes.
func TestWhatIsSaidOfAnEvent(t *testing.T) {
	for _, tt := range []struct {
		event, code, message, want string
	}{
		{"DownloadBundle", "UnknownError", "The specified bucket does not exist", BundleMissing},
		{"DownloadBundle", "UnknownError", "execution expired", ""},
		{"ApplicationStart", "UnknownError", "Access Denied", ""}, // outside DownloadBundle it is not the bundle's
		{"Install", "UnknownError", "No space left on device @ io_write", DiskFull},
		{"BeforeInstall", "UnknownError", "Aws::CodeDeployCommand::Errors::InvalidSignatureException - Signature expired: 20261125T013000Z is now earlier than 20261125T012500Z", ClockSkew},
		{"BeforeInstall", "UnknownError", "The deployment failed because the application specification file was empty. Make sure your AppSpec file defines at minimum the 'version' and 'os' properties.", AppSpecInvalid},
		{"AfterInstall", "ScriptFailed", "Script at specified location: a.sh failed with exit code 126", ScriptFailed},
		{"AfterInstall", "ScriptFailed", "Script at specified location: a.sh run as user app failed with exit code ", ScriptKilled},
		{"AfterInstall", "ScriptNotExecutable", "Unable to set script at specified location: a.sh as executable", ScriptNotStarted},
		{"AfterInstall", "UnknownError", "Script at specified location: a.sh failed to close STDERR", OutputLeftOpen},
		{"ApplicationStop", "ScriptMissing", "Script does not exist at specified location: /x/stop.sh", OldScript},
		{"Install", "UnknownError", "", ""},
	} {
		d := Diagnose(failed(2, tt.event, Diagnostics{Code: tt.code, Script: "a.sh", Message: tt.message}))
		if got := d.First(); got != tt.want {
			t.Errorf("%s: %s: got %q, want %q", tt.event, tt.message, got, tt.want)
		}
		if tt.want == "" && len(d.Undecided) == 0 {
			t.Errorf("%s: %s: it does not say what would decide", tt.event, tt.message)
		}
	}
}

// The verdict says it in one sentence, and a fleet's failures are counted, not listed.
func TestAFleet(t *testing.T) {
	d := Diagnose(failed(400, "ValidateService", Diagnostics{Code: "ScriptFailed", Script: "check.sh", Message: "Script at specified location: check.sh failed with exit code 3"}))
	want := "d-ABCDEFGHI (shop/web, blue/green) FAILED at ValidateService on 400 of 400 replacement instances: check.sh failed with exit code 3"
	if d.Verdict != want || len(d.Failure.Instances) != shown || d.Failure.Count != 400 || d.Causes[0].Count != 400 || len(d.Causes) != 1 {
		t.Errorf("%s\n%+v", d.Verdict, d.Causes)
	}
	if d.Live.Environment != Original || d.Live.Original.Healthy != 400 {
		t.Errorf("live: %+v", d.Live)
	}
}

// Of 1,000 instances of which a batch could not be read it is known how many failed: where all of these were seen, the
// cause stands; else it is only possible.
func TestABatchThatCouldNotBeRead(t *testing.T) {
	e := failed(50, "ValidateService", Diagnostics{Code: "ScriptFailed", Message: "Script at specified location: check.sh failed with exit code 3"})
	for i := 25; i < 50; i++ {
		e.Targets.Value[i] = Target{ID: e.Targets.Value[i].ID, Unread: true}
	}
	e.Targets.Missing = &Missing{Why: Throttled, Action: "codedeploy:BatchGetDeploymentTargets", Tells: "why", Part: true}
	if d := Diagnose(e); d.First() != "" || len(d.Causes) != 1 || !strings.Contains(strings.Join(d.Undecided, " "), "BatchGetDeploymentTargets") {
		t.Errorf("of 50 failures 25 are unread: %+v %q", d.Causes, d.Undecided)
	}
	e.Info.Value.Counts.Failed = 25
	if d := Diagnose(e); d.First() != ScriptFailed {
		t.Errorf("all 25 failures are read: %+v", d.Causes)
	}
}

// A later deployment has replaced the group since: it is no side of this one.
func TestALaterDeploymentsGroup(t *testing.T) {
	e := failed(2, "ValidateService", Diagnostics{Code: "ScriptFailed", Message: "Script at specified location: check.sh failed with exit code 3"})
	later := Scaling{Created: at(50), Instances: []Instance{{ID: "i-later", State: "InService", Healthy: true}}}
	e.Scaling = append(e.Scaling, ScalingGroup{Name: "CodeDeploy_web_d-LATER0000", State: Item[Scaling]{Value: later}})
	e.Group.Value.LastTried = "d-LATER0000"
	e.Balanced[0].Health.Value = []Health{{ID: "i-later", Port: 80, State: "healthy"}}
	d := Diagnose(e)
	if d.Live.Environment != Unknown || d.Live.Others != 1 || !strings.Contains(strings.Join(d.Notes, " "), "it is not the last deployment: d-LATER0000 was begun since") {
		t.Errorf("%+v %q", d.Live, d.Notes)
	}
}

// Commands can be pasted: words that a shell would take apart are quoted, the region and the profile are those of the
// question.
func TestCommands(t *testing.T) {
	e := failed(1, "ApplicationStop", Diagnostics{Code: "ScriptFailed", Message: "Script at specified location: stop.sh failed with exit code 1"})
	e.Profile, e.Info.Value.Group = "prod", "web's group"
	var all []string
	for _, n := range Diagnose(e).Next {
		all = append(all, n.Type)
	}
	want := `aws deploy create-deployment --application-name shop --deployment-group-name 'web'\''s group' --s3-location bucket=bucket,key='shop 1.zip',bundleType=zip --ignore-application-stop-failures --region eu-west-1 --profile prod`
	if got := strings.Join(all, "\n"); !strings.Contains(got, want) {
		t.Errorf("got\n%s", got)
	}
}

func TestLoad(t *testing.T) {
	for text, want := range map[string]string{
		`{`: "unexpected EOF", `{}`: "none that wingman diagnose --save wrote", `{"version":2,"deployment":"d-1"}`: "a newer wingman wrote it", `{"version":1,"deployment":"d-1"}`: "",
	} {
		if _, err := Load(bytes.NewBufferString(text)); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// No answer at all is no reason to fall over.
func TestNothingIsKnown(t *testing.T) {
	for _, e := range []Evidence{{Version: 1, Deployment: "d-1"}, {Version: 1, Deployment: "d-1", Info: Lacks[Info](Denied, "all"), Targets: Lacks[[]Target](Denied, "all")}} {
		if d := Diagnose(e); d.First() != "" || d.Live.Environment == Original {
			t.Errorf("%+v", d)
		}
	}
}
