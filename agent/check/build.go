package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

type buildChecker struct {
	asker
	ok   Status
	want Build
}

func newBuild(b Build, timeout time.Duration) (Checker, error) {
	u, err := parseURL("build", b.URL)
	if err != nil {
		return nil, err
	}
	if (b.Equals == "") == (b.Contains == "") {
		return nil, errors.New("build: needs one of equals and contains (an unset variable leaves it empty)")
	}
	ok, err := ParseStatus(defaultStatus)
	return &buildChecker{asker: newAsker(u, timeout, false), ok: ok, want: b}, err
}

func (c *buildChecker) Check(ctx context.Context) Observation {
	return c.ask(ctx, func(resp *http.Response) (Observation, error) {
		if !c.ok.Match(resp.StatusCode) {
			return badStatus(resp, c.ok), nil
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
		if err != nil {
			return Observation{}, err
		}
		return c.compare(strings.TrimSpace(string(body))), nil
	})
}

// compare judges the answer.
func (c *buildChecker) compare(answer string) Observation {
	o := Observation{Verdict: Pass, Reason: "answers " + quoted(answer)}
	wanted, same := quoted(c.want.Equals), answer == strings.TrimSpace(c.want.Equals)
	if c.want.Contains != "" {
		wanted, same = "it to contain "+quoted(c.want.Contains), strings.Contains(answer, c.want.Contains)
	}
	if !same {
		o.Verdict = Fail
		o.Reason = fmt.Sprintf("answers %s, want %s (does an old version still run?)", quoted(answer), wanted)
		o.Detail = detail(answer)
	}
	return o
}
