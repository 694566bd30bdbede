package deployment

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// again deploys the same revision once more.
func (v *view) again(why, more string) Command {
	cmd := fmt.Sprintf("deploy create-deployment --application-name %s --deployment-group-name %s%s", shell(v.info.Application), shell(v.info.Group), v.revision())
	return Command{why, v.aws(cmd + more)}
}

// revision is the revision's location as the AWS CLI takes it.
func (v *view) revision() string {
	bucket, key, is := strings.Cut(strings.TrimPrefix(v.info.Revision, "s3://"), "/")
	if !is || !strings.HasPrefix(v.info.Revision, "s3://") {
		return " --revision …"
	}
	kind := "zip"
	for _, k := range []string{"tgz", "tar"} {
		if strings.HasSuffix(key, k) || strings.HasSuffix(key, "."+k+".gz") {
			kind = k
		}
	}
	return fmt.Sprintf(" --s3-location bucket=%s,key=%s,bundleType=%s", bucket, shell(key), kind)
}

// bundle looks at the revision in S3.
func (v *view) bundle() Command {
	bucket, key, is := strings.Cut(strings.TrimPrefix(v.info.Revision, "s3://"), "/")
	if !is {
		bucket, key = "BUCKET", "KEY"
	}
	return Command{"is the bundle there, and in this region?", v.aws("s3api head-object --bucket " + bucket + " --key " + shell(key))}
}

// shell quotes a word where a shell would take it apart.
func shell(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@,+", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// full shows all that CodeDeploy keeps of an instance's events.
func (v *view) full(f fail) Command {
	return Command{"all that CodeDeploy kept of its output", v.aws("deploy get-deployment-target --deployment-id " + v.Deployment + " --target-id " + f.ID)}
}

// nextFor is what to type for a cause. names are the groups and hooks that it is about.
func (v *view) nextFor(cause string, f fail, names ...string) []Command {
	switch cause {
	case ScriptFailed, ScriptTimedOut, ScriptKilled, ScriptMissing, ScriptNotStarted:
		return []Command{v.full(f), {"check the revision before it is deployed again", "wingman lint DIR && wingman rehearse DIR"}}
	case OldScript:
		out := []Command{v.full(f), v.again("deploy past the old revision's scripts, once", " --ignore-application-stop-failures")}
		if f.side == lifecycle.Original {
			out[1].Why = "deploy once more past the old revision's scripts (the new environment may be live already: look above)"
		}
		return out
	case OutputLeftOpen:
		return []Command{v.full(f), {"let the script's background process go: >/dev/null 2>&1 </dev/null &, or let wingman run it", "wingman lint DIR"}}
	case AgentRestarted, AgentSilent, AgentUnreachable:
		return []Command{v.log(f.ID), {"is the CodeDeploy agent up? on the instance", "systemctl status codedeploy-agent; timedatectl; curl -sS -o /dev/null -w '%{http_code}\\n' https://codedeploy-commands." + cmp.Or(v.Region, "REGION") + ".amazonaws.com"}}
	case HealthCheck, TargetGroupUnused, DeregisterStuck:
		return v.nextTraffic(cause, f)
	case BundleMissing, BundleDenied, BundleChanged, DownloadFailed:
		return []Command{v.bundle()}
	case DiskFull:
		return []Command{{"on the instance: what fills it", "df -h; df -i; du -xsh /opt/codedeploy-agent/deployment-root/*"}}
	case ClockSkew:
		return []Command{{"on the instance: is its clock synchronised?", "timedatectl; chronyc tracking"}}
	case NoProfile:
		return []Command{{"its instance profile", v.aws("ec2 describe-iam-instance-profile-associations --filters Name=instance-id,Values=" + f.ID)}}
	case AppSpecInvalid, AppSpecMissing:
		return []Command{{"check appspec.yml, with the line", "wingman lint DIR"}}
	case FileExists:
		return []Command{v.again("overwrite what is there (or RETAIN it)", " --file-exists-behavior OVERWRITE")}
	}
	return v.nextAround(cause, f, names)
}

func (v *view) nextTraffic(cause string, f fail) []Command {
	_, at, _ := v.healthOf(f.ID)
	if at == nil {
		return nil
	}
	arn := at.State.Value.ARN
	switch cause {
	case TargetGroupUnused:
		return []Command{{"which load balancers forward to it (describe-listeners and describe-rules of those that should)", v.aws("elbv2 describe-target-groups --query 'TargetGroups[].LoadBalancerArns' --target-group-arns " + arn)}}
	case DeregisterStuck:
		return []Command{{"how long a target may drain", v.aws("elbv2 describe-target-group-attributes --target-group-arn " + arn)}}
	}
	b := at.State.Value
	port := b.CheckPort
	if port == "traffic-port" {
		port = fmt.Sprint(b.Port)
	}
	return []Command{{"on the instance: what does the health check get?", fmt.Sprintf("curl -sv http://127.0.0.1:%s%s", port, b.Path)}, {"the health check's settings", v.aws("elbv2 describe-target-groups --target-group-arns " + arn)}}
}

// nextAround is what to type where it is not the revision or the instance.
func (v *view) nextAround(cause string, f fail, names []string) []Command {
	group := ""
	if len(names) > 0 {
		group = shell(names[0])
	}
	switch cause {
	case InstanceGone, InstanceScaledIn, InstanceRebalanced, InstanceUnhealthy, InstanceEnded, InstanceByHand, InstanceRefreshed:
		if is := v.fateOf(f.ID); is.group != nil {
			group = shell(is.group.Name)
		}
		return []Command{{"all of the group's activities", v.aws("autoscaling describe-scaling-activities --max-items 20 --include-deleted-groups --auto-scaling-group-name " + group)},
			{"next time: wingman's guard holds the group still (BeforeBlockTraffic in appspec.yml)", v.wingman("guard status --group " + group)}}
	case LaunchFailed, NoInstances:
		if group == "" && len(v.Scaling) > 0 {
			group = shell(v.Scaling[0].Name)
		}
		return []Command{{"all of the group's activities", v.aws("autoscaling describe-scaling-activities --max-items 20 --include-deleted-groups --auto-scaling-group-name " + group)}}
	case HookTimedOut, ForeignHook, TwoGroups:
		if group == "" && len(v.Siblings.Value) > 0 {
			group = shell(v.Siblings.Value[0].Scaling)
		}
		return []Command{{"which lifecycle hooks hold the group's instances", v.aws("autoscaling describe-lifecycle-hooks --auto-scaling-group-name " + group)}}
	case LeftOverHook:
		return []Command{{"take the left-over hook away (first prove that no deployment group uses it)", v.aws(fmt.Sprintf("autoscaling delete-lifecycle-hook --auto-scaling-group-name %s --lifecycle-hook-name %s", group, shell(names[1])))}}
	case ServiceRole, ServiceRoleMissing:
		role := v.Group.Value.ServiceRole[strings.LastIndexByte(v.Group.Value.ServiceRole, '/')+1:]
		return []Command{{"what the service role may do (with a launch template it also needs ec2:RunInstances, ec2:CreateTags, iam:PassRole)", v.aws("iam list-attached-role-policies --role-name " + cmp.Or(role, "ROLE"))}}
	case StoppedByUser:
		return []Command{{"who stopped it", v.aws("cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=StopDeployment")}}
	case StoppedByAlarm:
		return []Command{{"which alarms are in breach", v.aws("cloudwatch describe-alarms --state-value ALARM")}}
	case NotRerouted, TooFewHealthy:
		return []Command{v.again("deploy it again", "")}
	case OriginalProtects:
		if len(v.blue) > 0 {
			return []Command{{"let the original's group be deleted, and delete it, once the replacement is proved to serve", v.aws("autoscaling update-auto-scaling-group --deletion-protection none --auto-scaling-group-name " + shell(v.blue[0]))}}
		}
	}
	return nil
}

// next is what to type now, the most urgent first: what waits, what helps with the first cause, what is left over.
func (v *view) next(d *Diagnosis) (out []Command) {
	add := func(all ...Command) {
		for _, c := range all {
			if !slices.ContainsFunc(out, func(have Command) bool { return have.Type == c.Type }) {
				out = append(out, c)
			}
		}
	}
	if r := d.Rollback; r != nil && (r.Running || r.Relation == IsRolledBack) {
		why := "how the rollback goes"
		if r.Relation == IsRolledBack {
			why = "why it is rolled back"
		}
		add(Command{why, "wingman diagnose " + r.ID + v.flags()})
	}
	if v.info.Status == "Ready" {
		add(Command{"the replacement is ready: reroute traffic to it", v.aws("deploy continue-deployment --deployment-wait-type READY_WAIT --deployment-id " + v.Deployment)})
	}
	moved := d.Failure != nil && d.Failure.Side == lifecycle.Original // the replacement serves: to put that right is first
	for i, c := range d.Causes {
		if i < 2 && !moved {
			add(c.Next...)
		}
	}
	for _, l := range d.LeftOvers {
		add(l.Next...)
	}
	for i, c := range d.Causes {
		if i < 2 {
			add(c.Next...)
		}
	}
	if v.known && !v.info.Over() {
		if d.First() != "" { // CodeDeploy waits up to an hour for what will not come
			add(Command{"where that cannot be mended in time: stop it, rather than wait for its end", v.aws("deploy stop-deployment --deployment-id " + v.Deployment)})
		}
		add(Command{"look again", "wingman diagnose " + v.Deployment + v.flags()})
	}
	return out
}
