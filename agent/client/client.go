// Package client asks the service, over its unix socket.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/codedeploy-wingman/wingman/agent/api"
)

// Client asks one service.
type Client struct {
	Socket  string
	Version string       // this wingman's
	Warn    func(string) // told, once, that the service is of another version; may be nil

	http   *http.Client
	warned bool
}

// New makes a client. Nothing is dialled yet.
func New(socket, version string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &Client{Socket: socket, Version: version, http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableCompression: true}}}
}

// Unreachable is the error of a service that is not there, or that this user may not connect to.
type Unreachable struct {
	Socket string
	Err    error
}

func (u Unreachable) Error() string {
	var op *net.OpError
	err := u.Err
	if errors.As(err, &op) {
		err = op.Err
	}
	return fmt.Sprintf("no service answers at %s (%v)", u.Socket, err)
}
func (u Unreachable) Unwrap() error { return u.Err }

// call makes a request. Its error is Unreachable, an *api.Error, or the context's.
func (c *Client) call(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("cannot ask the service: %w", err)
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://wingman"+path, in)
	if err != nil {
		return nil, fmt.Errorf("cannot ask the service: %w", err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, Unreachable{c.Socket, err}
	}
	c.compare(res.Header.Get(api.VersionHeader))
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close()
	refused := &api.Error{}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(refused); err != nil || refused.Message == "" {
		return nil, Unreachable{c.Socket, fmt.Errorf("it answers %s, as no wingman does", res.Status)}
	}
	return nil, refused
}

// compare warns of a service that was not restarted after an upgrade.
func (c *Client) compare(theirs string) {
	if theirs == "" || theirs == c.Version || c.warned || c.Warn == nil {
		return
	}
	c.warned = true
	c.Warn(fmt.Sprintf("the service is wingman %s, this command is %s: systemctl restart wingman", theirs, c.Version))
}

func (c *Client) get(ctx context.Context, method, path string, out any) error {
	res, err := c.call(ctx, method, path, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fmt.Errorf("cannot read the service's answer: %w", err)
	}
	return nil
}

// Status asks what the service does and knows.
func (c *Client) Status(ctx context.Context) (s api.Status, err error) {
	return s, c.get(ctx, http.MethodGet, api.PathStatus, &s)
}

// Metrics asks for what there is to count, in Prometheus' text format.
func (c *Client) Metrics(ctx context.Context) (string, error) {
	res, err := c.call(ctx, http.MethodGet, api.PathMetrics, nil)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

// History asks for the records of all runs of this instance, as JSON.
func (c *Client) History(ctx context.Context) (h struct {
	Runs     []json.RawMessage
	Problems []string
}, err error) {
	return h, c.get(ctx, http.MethodGet, api.PathRuns, &h)
}

// Log asks for a run's log.
func (c *Client) Log(ctx context.Context, id string) (io.ReadCloser, error) {
	res, err := c.call(ctx, http.MethodGet, path(api.PathLog, id), nil)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// Reload has the service read its settings again.
func (c *Client) Reload(ctx context.Context) (s api.Settings, err error) {
	return s, c.get(ctx, http.MethodPost, api.PathReload, &s)
}

// Cancel has a run ended.
func (c *Client) Cancel(ctx context.Context, id, why string) error {
	var out struct{}
	return c.get(ctx, http.MethodPost, path(api.PathCancel, id)+"?why="+url.QueryEscape(why), &out)
}

// Start asks for an event to be run, and gives the run's stream.
func (c *Client) Start(ctx context.Context, req api.Request) (*Stream, error) {
	req.V = api.Version
	return stream(c.call(ctx, http.MethodPost, api.PathRuns, req))
}

// Events gives a run's stream, from an offset of its output on; watch is for those who only look on.
func (c *Client) Events(ctx context.Context, id string, from int64, watch bool) (*Stream, error) {
	at := path(api.PathEvents, id) + "?from=" + strconv.FormatInt(from, 10)
	if watch {
		at += "&watch=1"
	}
	return stream(c.call(ctx, http.MethodGet, at, nil))
}

func path(pattern, id string) string { return strings.Replace(pattern, "{id}", url.PathEscape(id), 1) }

// Stream is what a run prints and how it ends, as it comes.
type Stream struct {
	body io.ReadCloser
	dec  *json.Decoder
}

func stream(res *http.Response, err error) (*Stream, error) {
	if err != nil {
		return nil, err
	}
	return &Stream{res.Body, json.NewDecoder(res.Body)}, nil
}

// Next waits for the next line. An error means that the connection is gone, and says nothing of the run.
func (s *Stream) Next() (l api.Line, err error) { return l, s.dec.Decode(&l) }

// Close ends it.
func (s *Stream) Close() { s.body.Close() }
