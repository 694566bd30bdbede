package cloud

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/codedeploy-wingman/wingman/agent/guard"
)

// Kind says why a call failed, as far as it matters for what is done next.
type Kind string

// The kinds.
const (
	Denied      Kind = "denied"      // Action names what is not allowed
	Unreachable Kind = "unreachable" // no answer: no route, no endpoint in a private subnet, no credentials
	Throttled   Kind = "throttled"
	Gone        Kind = "gone"
	NotEC2      Kind = "not EC2"
	Unset       Kind = "unset" // the caller has to say where: a region, a profile
	Other       Kind = "other"
)

var (
	errNotEC2      = errors.New("this is no EC2 instance")
	errNoRegion    = errors.New("no region")
	errMetadataOff = errors.New("AWS_EC2_METADATA_DISABLED is set")
)

// Error is a failed call, in words for a person.
type Error struct {
	Kind   Kind
	Op     string // what was tried
	Action string // the IAM action, where it is known
	Say    string // in words of its own, where the kind's would mislead
	Err    error
}

func (e *Error) Error() string {
	if e.Say != "" {
		return e.Say
	}
	switch e.Kind {
	case Denied:
		return fmt.Sprintf("this role may not call %s: allow it (docs/guard.md, Permissions)", e.Action)
	case Unreachable:
		asked := ""
		if e.Action != "" { // which endpoint it is that a private subnet lacks
			asked = " " + e.Action
		}
		return fmt.Sprintf("AWS does not answer%s (%s): is there a route or a VPC endpoint, and an instance profile?", asked, short(e.Err))
	case Throttled:
		return "AWS throttles the account's calls (" + e.Action + "), after retries"
	}
	return short(e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Is makes every Gone the guard's ErrGone.
func (e *Error) Is(target error) bool { return target == guard.ErrGone && e.Kind == Gone }

// actionIn finds the IAM action that AWS's message says is not allowed.
func actionIn(message string) string {
	_, after, found := strings.Cut(message, "not authorized to perform:")
	action := strings.Fields(after)
	if !found || len(action) == 0 || !strings.Contains(action[0], ":") {
		return ""
	}
	return action[0]
}

// classify puts an SDK's error into words. action is the IAM action of the call.
func classify(op, action string, err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	e := &Error{Kind: Other, Op: op, Action: action, Err: err}
	var api smithy.APIError
	var send *smithyhttp.RequestSendError
	var operation *smithy.OperationError
	var status *smithyhttp.ResponseError
	switch {
	case errors.As(err, &api):
		e.Kind = kindOf(api.ErrorCode(), api.ErrorMessage())
		if named := actionIn(api.ErrorMessage()); named != "" {
			e.Action = named
		}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &send) && !errors.Is(err, context.Canceled):
		e.Kind = Unreachable
	case errors.Is(err, context.Canceled), errors.As(err, &status): // we were ended; an answer that is none of AWS's, a proxy's
	case errors.As(err, &operation): // no credentials to ask with, no metadata service
		e.Kind = Unreachable
	}
	return e
}

// noMetadata says why this instance could not be asked which it is. 403 means that the service is switched off (EC2 User
// Guide, "Retrieve instance metadata"); the SDK's error of a token that is refused has it in its text only.
func noMetadata(err error) error {
	e := &Error{Kind: Unreachable, Op: "find this instance", Err: err}
	_, after, answered := strings.Cut(err.Error(), "StatusCode: ")
	code, _, _ := strings.Cut(after, ",")
	switch {
	case code == "403":
		e.Say = "the instance's metadata service is switched off (403): aws ec2 modify-instance-metadata-options --http-endpoint enabled --instance-id …"
	case answered:
		e.Say = "the instance's metadata service answers " + code + " to version 2's questions"
	default:
		e.Say = fmt.Sprintf("the instance's metadata service does not answer (%s): is this an EC2 instance? elsewhere write guard: {mode: disabled} into host.yml", short(err))
	}
	return e
}

func kindOf(code, message string) Kind {
	if _, throttled := retry.DefaultThrottleErrorCodes[code]; throttled {
		return Throttled
	}
	switch {
	case strings.HasPrefix(code, "AccessDenied"), code == "UnauthorizedOperation", code == "NotAuthorized":
		return Denied
	case code == "ResourceNotFoundException", code == "ValidationError" && strings.Contains(message, "not found"), strings.HasSuffix(code, "DoesNotExistException"), code == "InvalidDeploymentIdException", code == "TargetGroupNotFound":
		return Gone
	}
	return Other
}

// short is the innermost cause of an SDK's error, without the operation's wrapping.
func short(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode() + ": " + api.ErrorMessage()
	}
	var send *smithyhttp.RequestSendError
	if errors.As(err, &send) {
		return send.Err.Error()
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
