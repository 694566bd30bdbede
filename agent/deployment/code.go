package deployment

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// byCode is what the deployment's own code is proof of. HEALTH_CONSTRAINTS is none: it says only that something failed.
func (v *view) byCode(failures bool) []Cause {
	if !v.known {
		return nil
	}
	i := v.info
	one := func(name string, c Confidence, summary string) []Cause {
		cause := Cause{Name: name, Confidence: c, Summary: summary, Next: v.nextFor(name, fail{})}
		if i.ErrorMessage != "" {
			cause.Evidence = []string{i.ErrorCode + ": " + clip(i.ErrorMessage, 400)}
		}
		return []Cause{cause}
	}
	switch i.ErrorCode {
	case "":
		return nil
	case "HEALTH_CONSTRAINTS":
		return nil
	case "MANUAL_STOP":
		return one(StoppedByUser, Certain, "somebody, or a pipeline, stopped it (StopDeployment; CloudTrail has who)")
	case "ALARM_ACTIVE":
		return one(StoppedByAlarm, Certain, "a CloudWatch alarm of the deployment group stopped it"+alarms(i.ErrorMessage))
	case "IAM_ROLE_PERMISSIONS", "AUTO_SCALING_IAM_ROLE_PERMISSIONS":
		return one(ServiceRole, Certain, "CodeDeploy's service role lacks a permission"+service(i.ErrorMessage))
	case "IAM_ROLE_MISSING":
		return one(ServiceRoleMissing, Certain, "the deployment group's service role does not exist")
	case "HEALTH_CONSTRAINTS_INVALID":
		return one(TooFewHealthy, Certain, "fewer instances are healthy than "+cmp.Or(i.Config, "the deployment configuration")+" wants: it could not begin")
	case "TIMEOUT":
		if i.Status == "Stopped" && i.ReadyWait > 0 {
			return one(NotRerouted, Certain, fmt.Sprintf("nobody rerouted traffic within %d minutes of the replacement's being ready (deploymentReadyOption STOP_DEPLOYMENT)", i.ReadyWait))
		}
		return nil
	case "NO_INSTANCES":
		return v.noInstances(one(NoInstances, Certain, "no instance to deploy to: none is in service in the deployment group's Auto Scaling groups, or its tags select none"))
	case "AUTO_SCALING_CONFIGURATION", "AUTOSCALING_VALIDATION_ERROR", "UNABLE_TO_SEND_ASG":
		if strings.Contains(i.ErrorMessage, "deletion protection") {
			return one(OriginalProtects, Certain, "the original's group is protected from deletion: CodeDeploy could not delete it in the end")
		}
		return one(ScalingConfig, Certain, "the Auto Scaling group and the deployment group do not fit: "+clip(i.ErrorMessage, 200))
	}
	if failures {
		return nil
	}
	return one(CodeDeploySays, Certain, "CodeDeploy says "+i.ErrorCode+": "+clip(i.ErrorMessage, 200))
}

// alarms names the alarms of CodeDeploy's message.
func alarms(message string) string {
	_, names, found := strings.Cut(message, "Activated alarms: ")
	if !found {
		return ""
	}
	return ": " + strings.TrimSpace(strings.NewReplacer("<", "", ">", "").Replace(names))
}

// service names what the service role may not use.
func service(message string) string {
	_, name, found := strings.Cut(message, "following AWS service: ")
	name, _, _ = strings.Cut(name, ".")
	if !found {
		return ""
	}
	return " (" + strings.TrimSpace(name) + ")"
}

// noInstances looks for why there was none; without a reason it is said as it is.
func (v *view) noInstances(plain []Cause) []Cause {
	for i := range v.Scaling {
		if c := v.launching(&v.Scaling[i]); c.Name != "" {
			return append([]Cause{c}, plain...)
		}
	}
	var unread *Missing
	for _, s := range v.Scaling {
		unread = cmp.Or(unread, s.Activities.Missing, s.State.Missing, s.Hooks.Missing)
	}
	if unread = cmp.Or(unread, v.Group.Missing); unread != nil {
		plain[0].Summary, plain[0].Confidence, plain[0].Decides = "no instance to deploy to", Possible, "why there is none: "+reason(unread)
	}
	return plain
}

// withoutFailure is for a deployment in which no lifecycle event failed: it may not have come so far.
func (v *view) withoutFailure() []Cause {
	if v.info.Status == "Succeeded" || !v.Targets.Whole() || !v.known {
		return nil
	}
	if len(v.Targets.Value) == 0 {
		for _, name := range append(slices.Clone(v.green), v.blue...) {
			if c := v.launching(v.scaling(name)); c.Name != "" {
				return []Cause{c}
			}
		}
	}
	var out []Cause
	if !v.info.Over() {
		for _, f := range v.events("InProgress") {
			if c := v.explain(f); c.Name != "" && !slices.ContainsFunc(out, func(k Cause) bool { return k.Name == c.Name }) {
				out = append(out, c)
			}
		}
	}
	return out
}

// launching says why a group's instances do not come into service.
func (v *view) launching(s *ScalingGroup) Cause {
	var refused, timedOut, abandoned []Activity
	for _, a := range s.Activities.Value {
		text := a.Message + a.Description
		switch {
		case !strings.HasPrefix(a.Description, "Launching"):
		case strings.Contains(text, "Heartbeat Timeout"):
			timedOut = append(timedOut, a)
		case strings.Contains(text, "ABANDON Result"):
			abandoned = append(abandoned, a)
		case a.Status == "Failed":
			refused = append(refused, a)
		}
	}
	switch most := max(len(refused), len(timedOut), len(abandoned)); {
	case most == 0:
		return v.held(s)
	case len(refused) == most:
		return Cause{Name: LaunchFailed, Confidence: Certain, Summary: "EC2 does not launch instances for " + s.Name + ": " + clip(refused[0].Message, 200),
			Evidence: []string{fmt.Sprintf("%s of %s, the last at %s", count(most, "failed launch", "failed launches"), s.Name, refused[0].Start.Format("15:04:05 MST"))}, Next: v.nextFor(LaunchFailed, fail{}, s.Name)}
	case len(timedOut) == most:
		return v.hook(s, "instances of "+s.Name+" are launched and abandoned: a lifecycle hook's heartbeat ran out", timedOut[0].Message)
	}
	return v.hook(s, "instances of "+s.Name+" are launched and abandoned: a lifecycle action was completed with ABANDON", abandoned[0].Message)
}

// held is an instance that waits for a lifecycle action at its launch.
func (v *view) held(s *ScalingGroup) Cause {
	for _, in := range s.State.Value.Instances {
		if in.State == "Pending:Wait" {
			c := v.hook(s, in.ID+" of "+s.Name+" waits at its launch for a lifecycle action", in.ID+": "+in.State)
			if c.Confidence == Certain {
				c.Confidence = Likely
			}
			return c
		}
	}
	return Cause{}
}

// hook says whose lifecycle hook holds a group's launches up.
func (v *view) hook(s *ScalingGroup, what, evidence string) Cause {
	c := Cause{Name: HookTimedOut, Confidence: Likely, Summary: what, Evidence: []string{clip(evidence, 300)}}
	var foreign, left, other []string
	for _, h := range s.Hooks.Value {
		switch owner := v.owner(h.Name); {
		case !strings.Contains(h.Transition, "LAUNCHING") || owner == v.info.Group && owner != "":
		case !Managed(h.Name):
			foreign = append(foreign, h.Name)
		case owner != "":
			other = append(other, owner)
		default:
			left = append(left, h.Name)
		}
	}
	switch all := len(foreign) + len(left) + len(other); {
	case !s.Hooks.Whole() || all != 1 || len(left) == 1 && (!v.Siblings.Whole() || !v.Group.Whole()):
		if m := s.Hooks.Missing; m != nil {
			c.Evidence = append(c.Evidence, "whose hook: "+reason(m))
		}
		c.Next = v.nextFor(HookTimedOut, fail{}, s.Name)
		return c
	case len(foreign) == 1:
		c.Name, c.Summary = ForeignHook, what+" ("+foreign[0]+", which is not CodeDeploy's)"
	case len(left) == 1:
		c.Name, c.Summary = LeftOverHook, what+" ("+left[0]+", CodeDeploy's, of a deployment group that does not have this group any more)"
	default:
		c.Name, c.Summary = TwoGroups, what+" (that of another deployment group: "+other[0]+")"
	}
	c.Confidence = Certain
	c.Next = v.nextFor(c.Name, fail{}, append([]string{s.Name}, slices.Concat(foreign, left, other)...)...)
	return c
}
