package rehearsal

import (
	"slices"
	"strconv"
	"strings"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// The two sides, as instances are named after them.
const (
	original    = "original"
	replacement = "replacement"
)

// sides says on which side of the deployment that is rehearsed an event calls hooks.
func (r *rehearsal) sides(e lifecycle.Event) []string {
	switch {
	case r.Type == InPlace:
		return []string{original}
	case e == lifecycle.BeforeBlockTraffic || e == lifecycle.AfterBlockTraffic:
		return []string{original}
	case e == lifecycle.ApplicationStop:
		return nil // a new instance has no revision yet that could be stopped
	}
	return []string{replacement}
}

// checkFail looks whether what is to fail can.
func (r *rehearsal) checkFail() error {
	if r.Fail == "" && r.Type == RollBack {
		r.Fail = r.fallible()
	}
	side, number, named := strings.Cut(r.FailOn, "-")
	switch {
	case r.Fail == "" && r.Type == RollBack:
		return misuse("a rollback needs an event that fails: appspec.yml names no script for any")
	case r.Fail == "":
		return nil
	case len(r.spec.Hooks[string(r.Fail)]) == 0:
		return misuse("%s cannot be made to fail: appspec.yml names no script for it", r.Fail)
	case !r.wants(r.Fail):
		return misuse("%s cannot be made to fail: it is not among the events that were asked for", r.Fail)
	case len(r.sides(r.Fail)) == 0:
		return misuse("%s cannot be made to fail: on a replacement there is no earlier revision, so it calls no hook; --type in-place has it", r.Fail)
	case r.FailOn == "" || side == "i":
		return nil
	}
	n, err := strconv.Atoi(number)
	of := map[string]int{original: r.Original, replacement: r.Replacement}[side]
	if !named || err != nil || n < 1 || n > of {
		return misuse("there is no instance %s: there are original-1 to original-%d%s, and ids (i-…)", r.FailOn, r.Original, upTo(r.Replacement))
	}
	if !slices.Contains(r.sides(r.Fail), side) {
		return misuse("%s cannot be made to fail on %s: it calls hooks on the %s's instances only", r.Fail, r.FailOn, r.sides(r.Fail)[0])
	}
	return nil
}

func upTo(n int) string {
	if n == 0 {
		return ""
	}
	return ", replacement-1 to replacement-" + strconv.Itoa(n)
}

// fallible is the event that a rollback's deployment fails in unless another is asked for: the later, the more there is
// to roll back.
func (r *rehearsal) fallible() lifecycle.Event {
	for _, e := range []lifecycle.Event{lifecycle.BeforeBlockTraffic, lifecycle.AfterAllowTraffic, lifecycle.BeforeAllowTraffic, lifecycle.ValidateService, lifecycle.ApplicationStart, lifecycle.AfterInstall, lifecycle.BeforeInstall} {
		if len(r.spec.Hooks[string(e)]) > 0 && r.wants(e) {
			return e
		}
	}
	return ""
}

// fails says whether the event is to fail on an instance, and keeps that it did.
func (r *rehearsal) fails(m *member, d deployment, e lifecycle.Event) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e != r.Fail || r.parts[d.ID] != Rehearsed || r.FailOn != "" && r.FailOn != m.name && r.FailOn != m.id {
		return false
	}
	r.failed = true
	return true
}
