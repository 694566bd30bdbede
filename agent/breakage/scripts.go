package breakage

import (
	"time"

	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/deployment"
)

// orphan is what every blue/green deployment leaves that fails before traffic moves.
var orphan = []string{deployment.LeftGroup}

// fails is a scene in which an event fails on every instance of a blue/green deployment's replacement.
func fails(event string, o awssim.Outcome) func(*stage) {
	return func(s *stage) {
		s.blueGreen(3)
		s.rule(event, nil, o)
		s.deploy()
		s.over()
	}
}

func scripts() []Scene {
	original := func(cause string) Wants { return Wants{cause, deployment.Original, orphan} }
	return []Scene{
		{"script-exit-code", "the new build does not answer: ValidateService's script says so on every replacement", original(deployment.ScriptFailed),
			fails("ValidateService", script("ScriptFailed", "scripts/check.sh", "failed with exit code 7", "LifecycleEvent - ValidateService\nScript - scripts/check.sh\n[stdout]waiting for http://127.0.0.1:8080/healthz\n[stderr]curl: (7) Failed to connect to 127.0.0.1 port 8080: Connection refused\n"))},
		{"script-exit-code-by-wingman", "a check of wingman's fails in ValidateService, and its summary is what CodeDeploy keeps", original(deployment.ScriptFailed),
			fails("ValidateService", script("ScriptFailed", "hooks/wingman.sh", "failed with exit code 1", "[stdout]reason:  not healthy within 2m: status 503, want 200-299\n[stdout]verdict: ValidateService FAILED: step \"healthy\": not healthy within 2m: status 503, want 200-299\n"))},
		{"script-timed-out", "ApplicationStart's script waits for a database that it cannot reach", original(deployment.ScriptTimedOut),
			fails("ApplicationStart", script("ScriptTimedOut", "scripts/start.sh", "failed to complete in 300 seconds", "[stdout]waiting for db.internal:5432\n"))},
		{"script-missing", "appspec.yml names a script that the bundle does not have", original(deployment.ScriptMissing),
			fails("AfterInstall", awssim.Outcome{ErrorCode: "ScriptMissing", Script: "scripts/migrate.sh", Message: "Script does not exist at specified location: /opt/codedeploy-agent/deployment-root/g/d/deployment-archive/scripts/migrate.sh"})},
		{"script-with-windows-line-ends", "a script's first line ends in CR: no such interpreter", original(deployment.ScriptNotStarted),
			fails("BeforeInstall", script("ScriptFailed", "scripts/pre.sh", "failed with error Errno::ENOENT with message No such file or directory - /opt/x/scripts/pre.sh", ""))},
		{"script-killed", "the kernel kills a script for its memory: CodeDeploy shows an exit code that is blank", original(deployment.ScriptKilled),
			fails("ApplicationStart", script("ScriptFailed", "scripts/start.sh", "failed with exit code ", "[stdout]loading model\n"))},
		{"script-as-unknown-user", "runas names a user that the image does not have", original(deployment.ScriptFailed),
			fails("AfterInstall", script("ScriptFailed", "scripts/own.sh", "run as user deploy failed with exit code 1", "[stderr]su: user deploy does not exist\n"))},
		{"output-left-open", "a start script leaves a process behind that holds its output: an hour later it is a failure", original(deployment.OutputLeftOpen),
			fails("ApplicationStart", script("UnknownError", "scripts/start.sh", "failed to close STDOUT", "[stdout]started\n"))},
	}
}

func oldScripts() []Scene {
	return []Scene{
		{"old-stop-script", "ApplicationStop fails in place: its script is the last successful revision's", Wants{deployment.OldScript, deployment.InPlace, []string{deployment.LeftOut}}, oldStop("failed with exit code 5", "ScriptFailed")},
		{"old-stop-script-times-out", "the last successful revision's ApplicationStop hangs", Wants{deployment.OldScript, deployment.InPlace, []string{deployment.LeftOut}}, oldStop("failed to complete in 60 seconds", "ScriptTimedOut")},
		{"old-block-script", "all replacements serve; then the old revision's BeforeBlockTraffic fails on one original, and with it everything", Wants{deployment.OldScript, deployment.Both, []string{deployment.LeftGroup}}, func(s *stage) {
			s.blueGreen(3)
			s.rule("BeforeBlockTraffic", first(), script("ScriptFailed", "scripts/drain.sh", "failed with exit code 2", "[stderr]drain.sh: line 12: jq: command not found\n"))
			s.deploy()
			s.over()
			s.sim.Advance(10 * time.Minute)
		}},
		{"old-script-of-a-rollback", "the rollback's AfterAllowTraffic on the originals comes from the last successful revision, and fails", Wants{deployment.OldScript, deployment.Original, orphan}, func(s *stage) {
			s.blueGreen(2, func(d *awssim.DeploymentGroupSpec) { d.RollBack = true })
			s.rule("ValidateService", nil, script("ScriptFailed", "check.sh", "failed with exit code 1", ""))
			s.rule("AfterAllowTraffic", func(c awssim.Command) bool { return c.Creator == "codeDeployRollback" }, script("ScriptFailed", "notify.sh", "failed with exit code 22", "[stderr]curl: (22) 404\n"))
			s.deploy()
			s.over()
			s.id = s.view().RolledBackBy
			s.over()
		}},
		{"tolerated-failure-then-an-original-fails", "one replacement of four fails and is let pass; what fails the deployment is an original's AfterBlockTraffic", Wants{deployment.OldScript, deployment.Replacement, []string{deployment.LeftLiveGroup, deployment.LeftDetached}}, func(s *stage) {
			s.blueGreen(4, func(d *awssim.DeploymentGroupSpec) { d.Config = "CodeDeployDefault.HalfAtATime" })
			s.rule("BeforeInstall", first(), script("ScriptFailed", "pre.sh", "failed with exit code 1", ""))
			s.rule("AfterBlockTraffic", first(), script("ScriptFailed", "after.sh", "failed with exit code 9", ""))
			s.deploy()
			s.over()
		}},
		{"two-kinds-of-failure", "in place, two instances lack the bundle's permission and one has a full disk: the most frequent comes first", Wants{deployment.BundleDenied, deployment.InPlace, []string{deployment.LeftOut}}, func(s *stage) {
			s.inPlace(3)
			s.rule("DownloadBundle", nth(2), unknown("No space left on device @ rb_sysopen - /opt/codedeploy-agent/deployment-root/g/d/bundle.tar"))
			s.rule("DownloadBundle", nil, unknown("Access Denied"))
			s.deploy()
			s.over()
		}},
		{"script-of-a-scale-out", "Auto Scaling launches one instance more, and the deployment to it fails", Wants{deployment.ScriptFailed, deployment.InPlace, nil}, func(s *stage) {
			s.inPlace(2)
			g, _ := s.sim.Group("web")
			s.rule("ApplicationStart", nil, script("ScriptFailed", "start.sh", "failed with exit code 1", ""))
			s.deploy(func(d *awssim.DeploymentSpec) { d.Creator, d.Instances = "autoscaling", g.InService()[:1] })
			s.over()
		}},
	}
}

func oldStop(message, code string) func(*stage) {
	return func(s *stage) {
		s.inPlace(3)
		s.rule("ApplicationStop", nil, script(code, "scripts/stop.sh", message, ""))
		s.deploy()
		s.over()
	}
}
