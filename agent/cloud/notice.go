package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Notice is AWS's word that this instance is about to go. The zero value is none.
type Notice struct {
	By     string    `json:"by,omitempty"`     // Spot, or Auto Scaling
	Action string    `json:"action,omitempty"` // terminate, stop or hibernate
	At     time.Time `json:"at,omitzero"`      // about when; zero where AWS does not say
}

// Who gives notice.
const (
	Spot        = "Spot"
	AutoScaling = "Auto Scaling"
)

// Some says whether there is a notice.
func (n Notice) Some() bool { return n.By != "" }

// String says it as the cause for which a run is ended.
func (n Notice) String() string {
	about := map[string]string{"terminate": "terminated", "stop": "stopped", "hibernate": "hibernated"}[n.Action]
	switch {
	case !n.Some():
		return "no notice"
	case n.By == AutoScaling:
		return "this instance is about to be terminated (Auto Scaling takes it out of its group)"
	case about == "":
		return fmt.Sprintf("this instance is about to be taken away (spot notice: %s, %s UTC)", n.Action, n.At.UTC().Format("15:04"))
	}
	return fmt.Sprintf("this instance is about to be %s (spot notice, %s UTC)", about, n.At.UTC().Format("15:04"))
}

// Notice asks the metadata service whether this instance is about to go: interrupted by Spot (EC2 User Guide, "Spot
// Instance interruption notices": the item is not there before), or terminated by Auto Scaling (Auto Scaling User Guide,
// "Retrieve the target lifecycle state through instance metadata": the state that it is brought to, not the one it is in).
func (c *Client) Notice(ctx context.Context) (Notice, error) {
	if err := c.onEC2(); err != nil {
		return Notice{}, err
	}
	if err := c.load(ctx); err != nil {
		return Notice{}, classify("ask whether this instance is about to go", "", err)
	}
	text, err := c.maybe(ctx, "spot/instance-action")
	if err != nil {
		return Notice{}, noMetadata(err)
	}
	if text != "" {
		return spotNotice(text)
	}
	state, err := c.maybe(ctx, "autoscaling/target-lifecycle-state")
	if err != nil {
		return Notice{}, noMetadata(err)
	}
	if state == "Terminated" {
		return Notice{By: AutoScaling, Action: "terminate"}, nil
	}
	return Notice{}, nil
}

func spotNotice(text string) (Notice, error) {
	var in struct {
		Action string    `json:"action"`
		Time   time.Time `json:"time"`
	}
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return Notice{}, &Error{Kind: Other, Op: "read the spot notice", Err: fmt.Errorf("the spot notice %.80q cannot be read: %w", text, err)}
	}
	return Notice{By: Spot, Action: in.Action, At: in.Time}, nil
}

// maybe reads an item of the metadata that is there at times only; "" where it is not.
func (c *Client) maybe(ctx context.Context, path string) (string, error) {
	text, err := c.metadata(ctx, path)
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusNotFound {
		return "", nil
	}
	return text, err
}
