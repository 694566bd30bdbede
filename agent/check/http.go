package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	maxBody    = 1 << 20 // bytes of a body that are looked at
	maxExcerpt = 4 << 10 // bytes that are read of a body only to be shown
)

// asker asks one URL, each time on a connection of its own.
type asker struct {
	client  *http.Client
	method  string
	url     *url.URL
	header  http.Header
	host    string // the Host header; "" is the URL's
	timeout time.Duration
}

func newAsker(u *url.URL, timeout time.Duration, skipVerify bool) asker {
	return asker{
		method:  http.MethodGet,
		url:     u,
		header:  http.Header{"User-Agent": {"wingman"}},
		timeout: timeout,
		client: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				DisableKeepAlives:  true,
				DisableCompression: true,                                        // the body is looked at as it came
				TLSClientConfig:    &tls.Config{InsecureSkipVerify: skipVerify}, // asked for by name: tls_skip_verify
			},
		},
	}
}

// ask sends the request and hands the answer to read, within the timeout. An error is already translated; read's error
// is one of the connection.
func (a asker) ask(ctx context.Context, read func(*http.Response) (Observation, error)) Observation {
	if ctx.Err() != nil {
		return givenUp(ctx)
	}
	try, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(try, a.method, a.url.String(), nil)
	if err != nil {
		return Observation{Verdict: Inconclusive, Reason: oneLine("cannot ask: "+err.Error(), maxLine)}
	}
	req.Header = a.header.Clone()
	req.Host = a.host
	resp, err := a.client.Do(req)
	if err != nil {
		return netFailure(ctx, err, hostPort(a.url), a.timeout)
	}
	defer resp.Body.Close()
	o, err := read(resp)
	if err != nil {
		o = netFailure(ctx, err, hostPort(a.url), a.timeout)
		if o.Verdict == Fail {
			o.Reason = fmt.Sprintf("status %d, then %s", resp.StatusCode, o.Reason)
		}
	}
	return o
}

// badStatus is the answer to a status that is not wanted.
func badStatus(resp *http.Response, want Status) Observation {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxExcerpt)) // what came is shown; the status has decided
	reason := fmt.Sprintf("status %d, want %v", resp.StatusCode, want)
	if to := resp.Header.Get("Location"); to != "" {
		reason += "; redirects to " + redacted(to) + ", which is not followed"
	} else if excerpt := oneLine(string(body), maxLine); excerpt != "" {
		reason += "; body: " + quoted(excerpt)
	}
	return Observation{Verdict: Fail, Reason: reason, Detail: detail(string(body))}
}

type httpChecker struct {
	asker
	want Status
	body string
}

func newHTTP(h HTTP, timeout time.Duration) (Checker, error) {
	u, err := parseURL("http", h.URL)
	if err != nil {
		return nil, err
	}
	want, err := ParseStatus(h.Status)
	if err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	c := &httpChecker{asker: newAsker(u, timeout, h.TLSSkipVerify), want: want, body: h.Body}
	if h.Method != "" {
		c.method = h.Method
	}
	for name, value := range h.Headers {
		if strings.EqualFold(name, "Host") {
			c.host = value
			continue
		}
		c.header.Set(name, value)
	}
	if _, err := http.NewRequest(c.method, u.String(), nil); err != nil {
		return nil, fmt.Errorf("http: method %s is none", quoted(h.Method))
	}
	if c.method == http.MethodHead && h.Body != "" {
		return nil, errors.New("http: an answer to HEAD has no body to look at")
	}
	return c, nil
}

func (c *httpChecker) Check(ctx context.Context) Observation {
	return c.ask(ctx, func(resp *http.Response) (Observation, error) {
		if !c.want.Match(resp.StatusCode) {
			return badStatus(resp, c.want), nil
		}
		passed := Observation{Verdict: Pass, Reason: fmt.Sprintf("status %d", resp.StatusCode)}
		if c.body == "" {
			return passed, nil // an endless body is no reason to wait
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
		if strings.Contains(string(body), c.body) {
			return passed, nil // even where it goes on for ever
		}
		if err != nil {
			return Observation{}, err
		}
		reason := fmt.Sprintf("status %d, but the body lacks %s; body: %s", resp.StatusCode, quoted(c.body), quoted(string(body)))
		return Observation{Verdict: Fail, Reason: reason, Detail: detail(string(body))}, nil
	})
}
