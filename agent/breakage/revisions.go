package breakage

import (
	"github.com/codedeploy-wingman/wingman/agent/awssim"
	"github.com/codedeploy-wingman/wingman/agent/deployment"
)

func revisions() []Scene {
	original := func(cause string) Wants { return Wants{cause, deployment.Original, orphan} }
	return []Scene{
		{"bundle-denied", "the instance profile may not read the bucket", original(deployment.BundleDenied), fails("DownloadBundle", unknown("Access Denied"))},
		{"bundle-missing", "a lifecycle rule of the bucket has deleted the bundle", original(deployment.BundleMissing), fails("DownloadBundle", unknown("The specified key does not exist."))},
		{"bundle-overwritten", "the pipeline has put another bundle under the same key", original(deployment.BundleChanged),
			fails("DownloadBundle", unknown("Expected deployment artifact bundle etag 5f8c but was actually etag 77aa"))},
		{"bundle-not-opened", "S3's error is lost on the way: three causes are possible, and none is claimed", Wants{"", deployment.Original, orphan}, fails("DownloadBundle", unknown("not opened for reading"))},
		{"disk-full", "old revisions fill the disk: Install cannot write", original(deployment.DiskFull), fails("Install", unknown("No space left on device @ rb_sysopen - /srv/app/app.jar"))},
		{"script-says-no-space", "a script's output speaks of no space, and means inotify watches: the disk is not to blame", original(deployment.ScriptFailed),
			fails("ApplicationStart", script("ScriptFailed", "start.sh", "failed with exit code 1", "[stderr]inotify_add_watch: No space left on device\n"))},
		{"appspec-missing", "the bundle was packed one folder too high", original(deployment.AppSpecMissing),
			fails("BeforeInstall", unknown(`The CodeDeploy agent did not find an AppSpec file within the unpacked revision directory at revision-relative path "appspec.yml". The revision was unpacked to directory "/opt/x", and the AppSpec file was expected but not found at path "/opt/x/appspec.yml".`))},
		{"appspec-invalid", "os: Linux, where only linux is right", original(deployment.AppSpecInvalid),
			fails("BeforeInstall", unknown(`The deployment failed because the application specification file specifies an unsupported operating system (Linux). Specify either "linux" or "windows" in the os section of the AppSpec file, and then try again.`))},
		{"file-exists", "somebody has put a file by hand where the revision installs one", Wants{deployment.FileExists, deployment.InPlace, []string{deployment.LeftOut}}, func(s *stage) { fileExists(s, false) }},
		{"file-exists-by-another-deployment-group", "so too where another deployment group installs to the same folder: it is said, and the file comes first", Wants{deployment.FileExists, deployment.InPlace, []string{deployment.LeftOut}}, func(s *stage) { fileExists(s, true) }},
	}
}

func fileExists(s *stage, another bool) {
	s.inPlace(2)
	if another {
		s.must(s.sim.AddDeploymentGroup(awssim.DeploymentGroupSpec{Application: "shop", Name: "worker", ScalingGroups: []string{"web"}, Config: "CodeDeployDefault.AllAtOnce"}))
	}
	s.rule("Install", nil, unknown("The deployment failed because a specified file already exists at this location: /srv/app/config.json"))
	s.deploy()
	s.over()
}
