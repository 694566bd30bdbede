package deployment

import (
	"fmt"
	"strings"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// words are what a message must contain, and the cause it is then. The words are the CodeDeploy agent's (1.8.1:
// hook_executor.rb, command_executor.rb, application_specification.rb), Ruby's for the system's errors, S3's (its API
// reference, "Error responses"), and CodeDeploy's own.
type words struct {
	cause   string
	event   lifecycle.Event // only of this one; "": of any
	any     []string
	summary string
}

func said() []words {
	return []words{
		{ServiceRole, "", []string{"does not give you permission to perform operations", "Role does not have correct permissions"}, "CodeDeploy's service role lacks a permission"},
		{AgentRestarted, "", []string{"Failing in-progress lifecycle event after an agent restart"}, "the CodeDeploy agent was restarted in the middle of the event (an update, a reboot, or a crash)"},
		{OutputLeftOpen, "", []string{"failed to close STDOUT", "failed to close STDERR"}, "a background process that the script started keeps its output open"},
		{DiskFull, "", []string{"No space left on device"}, "the disk is full"},
		{ClockSkew, "", []string{"The difference between the request time and the current time is too large", "RequestTimeTooSkewed", "Signature expired", "InvalidSignatureException"}, "the instance's clock is wrong: AWS refuses its requests"},
		{NoProfile, "", []string{"Missing credentials", "unable to sign request without credentials"}, "the instance has no credentials: no instance profile"},
		{AppSpecMissing, "", []string{"did not find an AppSpec file"}, "the bundle has no appspec.yml at its top"},
		{AppSpecInvalid, "", []string{"application specification file", "The AppSpec file", "an invalid version value", "appspec file specifies", "mapping values are not allowed"}, "appspec.yml is not valid"},
		{FileExists, "", []string{"specified file already exists at this location"}, "a file that the revision installs is there already, and CodeDeploy did not put it there"},
		{BundleDenied, lifecycle.DownloadBundle, []string{"Access Denied", "AccessDenied", "Forbidden"}, "the instance may not read the bundle"},
		{BundleMissing, lifecycle.DownloadBundle, []string{"The specified key does not exist", "NoSuchKey", "The specified bucket does not exist", "NoSuchBucket", "specified version does not exist"}, "the bundle is not there"},
		{BundleChanged, lifecycle.DownloadBundle, []string{"etag"}, "the bundle is not the one that was registered: it was overwritten"},
	}
}

// byMessage is what the event's own diagnostics say for certain.
func (v *view) byMessage(f fail) Cause {
	d := f.said()
	for _, w := range said() {
		if w.event != "" && string(w.event) != f.Name || !contains(d.Message, w.any) {
			continue
		}
		c := Cause{Name: w.cause, Confidence: Certain, Summary: w.summary, Evidence: []string{fmt.Sprintf("%s on %s: %s", f.Name, f.ID, clip(d.Message, 300))}}
		v.detail(&c, f)
		return c
	}
	if f.Name == string(lifecycle.DownloadBundle) && d.Message != "" && !lost(d.Message) {
		return Cause{Name: DownloadFailed, Confidence: Possible, Summary: "the bundle could not be downloaded or unpacked: " + clip(d.Message, 160),
			Decides: "the CodeDeploy agent's log on " + f.ID + ": S3's own error, the instance profile, the bucket's region", Next: []Command{v.log(f.ID), v.bundle()}}
	}
	return v.byScript(f)
}

func contains(text string, any []string) bool {
	for _, w := range any {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// exitCode reads the CodeDeploy agent's sentence of a script that failed; the number is missing where a signal ended it.
func exitCode(message string) (code string, said bool) {
	_, after, said := strings.Cut(message, "failed with exit code")
	after = strings.TrimLeft(after, " ")
	return after[:len(after)-len(strings.TrimLeft(after, "0123456789"))], said
}

// byScript is a hook's script that failed.
func (v *view) byScript(f fail) Cause {
	d := f.said()
	c := Cause{Confidence: Certain, Evidence: []string{fmt.Sprintf("%s on %s: %s", f.Name, f.ID, clip(d.Message, 300))}}
	code, exited := exitCode(d.Message)
	script := strings.TrimSpace(d.Script)
	if script == "" {
		script = "its script"
	}
	switch {
	case d.Code == "ScriptTimedOut" || strings.Contains(d.Message, "failed to complete in"):
		c.Name, c.Summary = ScriptTimedOut, script+" did not end within its timeout"
	case d.Code == "ScriptMissing" || strings.Contains(d.Message, "Script does not exist at specified location"):
		c.Name, c.Summary = ScriptMissing, script+" is not in the bundle"
	case d.Code == "ScriptNotExecutable" || strings.Contains(d.Message, "failed with error"):
		c.Name, c.Summary = ScriptNotStarted, script+" could not be started (its first line names no interpreter that is there, or ends in CR; or it may not be executed)"
	case exited && code == "":
		c.Name, c.Summary = ScriptKilled, script+" was killed by a signal (out of memory, or somebody)"
	case exited:
		c.Name, c.Summary = ScriptFailed, script+" failed with exit code "+code
	case d.Code == "ScriptFailed":
		c.Name, c.Summary = ScriptFailed, script+" failed"
	default:
		return Cause{}
	}
	if c.Name == ScriptKilled || code == "143" || code == "137" { // TERM or KILL
		return v.killed(c, f)
	}
	v.detail(&c, f)
	return c
}

// killed is a script that a signal ended: where the instance was going down, that was it.
func (v *view) killed(c Cause, f fail) Cause {
	if dying := v.gone(f); dying.Name != "" {
		dying.Evidence = append(dying.Evidence, c.Evidence...)
		return dying
	}
	if why := v.blind(f.ID); why != "" {
		c.Confidence, c.Decides = Possible, "whether Auto Scaling took "+f.ID+" away then: "+why
	}
	v.detail(&c, f)
	return c
}

// detail adds what helps with one cause: the script's own words, whose revision it is from, what to type.
func (v *view) detail(c *Cause, f fail) {
	for _, line := range f.tail(3) {
		c.Evidence = append(c.Evidence, "output: "+line)
	}
	event := lifecycle.Event(f.Name)
	back := v.info.BlueGreen && v.info.Creator == "codeDeployRollback"
	if from := lifecycle.RevisionOf(event, back); from == lifecycle.LastSuccessful && strings.HasPrefix(c.Name, "script-") {
		c.Name, c.Summary = OldScript, fmt.Sprintf("%s of the last successful revision failed, not of the new one: %s", f.Name, c.Summary)
	}
	c.Next = v.nextFor(c.Name, f)
	if said := verdictOf(f.said().Log); said != "" {
		c.Evidence = append(c.Evidence, "wingman: "+said)
	}
}

// verdictOf is the verdict that wingman's own summary ends with.
func verdictOf(log string) string {
	_, after, found := strings.Cut(log, "verdict: ")
	line, _, _ := strings.Cut(after, "\n")
	if !found {
		return ""
	}
	return clip(strings.TrimSpace(line), 200)
}

// lost says that CodeDeploy heard nothing of the instance: it was never asked for the event, or never reported its end.
func lost(message string) bool {
	return contains(message, []string{"not able to receive the lifecycle event", "within the time allowed", "timed out waiting"})
}
