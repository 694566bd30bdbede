package engine

import (
	"errors"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/cloud"
	"github.com/codedeploy-wingman/wingman/agent/guard"
)

// Kind is what a piece of news is about.
type Kind string

// The kinds of news.
const (
	GivenBack  Kind = "given back"
	BegunAgain Kind = "begun again"
	Barred     Kind = "barred"
	InDispute  Kind = "disputed"
	Denied     Kind = "denied"
	Failing    Kind = "failed"
	Over       Kind = "deployment over"
)

// News is something that a follower found out, to be logged and shown.
type News struct {
	At         time.Time `json:"at"`
	Kind       Kind      `json:"kind"`
	Deployment string    `json:"deployment,omitempty"`
	Group      string    `json:"group,omitempty"`
	Text       string    `json:"text"`
}

// Bad says that somebody should look at it.
func (n News) Bad() bool {
	return n.Kind == Barred || n.Kind == InDispute || n.Kind == Denied || n.Kind == Failing
}

// ofOutcome is the news in how a look came out; none in what is as it should be.
func ofOutcome(group, deployment string, out guard.Outcome) (News, bool) {
	kinds := map[guard.State]Kind{guard.Released: GivenBack, guard.Begun: BegunAgain, guard.Lost: Barred, guard.Disputed: InDispute, guard.Failed: Failing, guard.Frozen: Failing}
	kind, is := kinds[out.State]
	if kind == Failing && isDenied(out.Err) {
		kind = Denied
	}
	return News{At: time.Now(), Kind: kind, Deployment: deployment, Group: group, Text: Say(group, out)}, is
}

func isDenied(err error) bool {
	var ours *cloud.Error
	return errors.As(err, &ours) && ours.Kind == cloud.Denied
}

// bulletin collects news. What stays as it is, a failure or a dispute, is told once and not at each look.
type bulletin struct{ told map[string]string }

func (b *bulletin) fresh(n News) bool {
	key := string(n.Kind) + "\x00" + n.Deployment + "\x00" + n.Group
	switch n.Kind {
	case GivenBack, BegunAgain, Barred:
		return true
	}
	if b.told[key] == n.Text {
		return false
	}
	b.told[key] = n.Text
	return true
}

// forget makes a failure news again once it was none in between.
func (b *bulletin) forget(kind Kind, deployment, group string) {
	delete(b.told, string(kind)+"\x00"+deployment+"\x00"+group)
}
