package deployment

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// causes ranks what went wrong. What CodeDeploy itself is sure of comes first, then what failed on the instances: where
// traffic is blocked the first failure, since one fails all; elsewhere the most frequent, since it is their number that
// fails a deployment.
func (v *view) causes(fails []fail) (out []Cause) {
	out = v.byCode(len(fails) > 0)
	type cluster struct {
		Cause
		first time.Time
	}
	var found []cluster
	for _, f := range fails {
		c := v.explain(f)
		if c.Name == "" {
			continue
		}
		i := slices.IndexFunc(found, func(k cluster) bool { return k.Name == c.Name && k.Confidence == c.Confidence })
		if i < 0 {
			c.Count = 1
			found = append(found, cluster{c, f.at})
			continue
		}
		found[i].Count++
	}
	slices.SortStableFunc(found, func(a, b cluster) int {
		if len(fails) > 0 && v.phase(lifecycle.Event(fails[0].Name), fails[0].side) == blocking {
			return a.first.Compare(b.first)
		}
		return cmp.Or(cmp.Compare(b.Count, a.Count), a.first.Compare(b.first))
	})
	for _, k := range found {
		out = append(out, k.Cause)
	}
	if len(out) == 0 {
		out = v.withoutFailure()
	}
	out = v.withUnknown(out, fails)
	for i := range out {
		v.cap(&out[i])
	}
	return out
}

// withUnknown puts first that most failures say nothing about themselves, where that is so.
func (v *view) withUnknown(out []Cause, fails []fail) []Cause {
	silent := 0
	for _, f := range fails {
		if v.explain(f).Name == "" {
			silent++
		}
	}
	for i := range out {
		if silent > 0 && out[i].Count > 0 && out[i].Confidence != Possible {
			out[i].Confidence, out[i].Decides = Possible, fmt.Sprintf("the diagnostics of %s that say nothing", count(silent, "failed instance", "failed instances"))
		}
	}
	return out
}

// cap takes the certainty from a cause where what is missing could change it.
func (v *view) cap(c *Cause) {
	switch m := v.unseen(); {
	case c.Confidence == Possible:
	case !v.known:
		c.Confidence, c.Decides = Possible, "how the deployment ended: "+reason(v.Info.Missing)
	case m != nil && (c.Count > 0 || v.info.ErrorCode == "HEALTH_CONSTRAINTS"):
		c.Confidence, c.Decides = Possible, "the other failed instances: "+reason(m)
	}
}

// explain says why one event failed; a cause without a name says nothing.
func (v *view) explain(f fail) Cause {
	if c := v.byMessage(f); c.Name != "" {
		return c
	}
	d := f.said()
	if f.Event.Status == "Failed" && d == (Diagnostics{}) {
		return Cause{}
	}
	switch lifecycle.Event(f.Name) {
	case lifecycle.AllowTraffic, lifecycle.BlockTraffic:
		return v.byTraffic(f)
	}
	if f.Event.Status == "InProgress" {
		return v.underWay(f)
	}
	if lost(d.Message) {
		return v.byLoss(f)
	}
	if c := v.gone(f); c.Name != "" {
		return c
	}
	return Cause{Name: CodeDeploySays, Confidence: Possible, Summary: fmt.Sprintf("%s failed: %s", f.Name, cmp.Or(clip(d.Message, 200), d.Code, "no reason is given")),
		Decides: "the CodeDeploy agent's log on " + f.ID, Next: []Command{v.log(f.ID)}}
}

// underWay is an event that has not ended: only what is plain already is said.
func (v *view) underWay(f fail) Cause {
	if c := v.gone(f); c.Name != "" {
		return c
	}
	return Cause{}
}

// log is how to read the CodeDeploy agent's log without a login.
func (v *view) log(instance string) Command {
	return Command{"read the CodeDeploy agent's log on it", v.aws("ssm start-session --target "+instance) + "   # sudo tail -n 50 /var/log/aws/codedeploy-agent/codedeploy-agent.log"}
}

// aws is a command of the AWS CLI, as the evidence was asked for.
func (v *view) aws(rest string) string { return "aws " + rest + v.flags() }

// wingman is a command of ours that takes region and profile from the environment only.
func (v *view) wingman(rest string) (out string) {
	if v.Region != "" {
		out += "AWS_REGION=" + v.Region + " "
	}
	if v.Profile != "" {
		out += "AWS_PROFILE=" + shell(v.Profile) + " "
	}
	return out + "wingman " + rest
}

func (v *view) flags() (out string) {
	if v.Region != "" {
		out += " --region " + v.Region
	}
	if v.Profile != "" {
		out += " --profile " + shell(v.Profile)
	}
	return out
}
