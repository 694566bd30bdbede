package awssim

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// operation is one call of AWS's API.
type operation struct {
	write bool
	run   func(*call) (any, error) // the answer's body; an error is a *failure or a defect of ours
}

// call is one call under way, with the simulator's lock held.
type call struct {
	*Sim
	st     *state     // what a read sees; a write changes Sim.state, which it then is
	form   url.Values // of the query protocol
	body   []byte     // of the JSON protocols
	path   []string   // of the REST protocol: its parameters in the path
	caller string
	cbor   bool // of a query service spoken to in Smithy's RPC v2 CBOR, as newer SDKs speak to CloudWatch
}

// failure is an error as AWS answers it.
type failure struct {
	status  int
	code    string
	message string
	extra   map[string]any // further members of a JSON error
}

func (f *failure) Error() string { return f.code + ": " + f.message }

func fails(status int, code, format string, args ...any) *failure {
	return &failure{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// invalid is the query protocol's ValidationError.
func invalid(format string, args ...any) *failure {
	return fails(http.StatusBadRequest, "ValidationError", format, args...)
}

// protocol is how a service is spoken to.
type protocol int

const (
	query    protocol = iota // form in, XML out
	jsonRPC                  // application/x-amz-json-1.1, the operation in X-Amz-Target
	restJSON                 // the operation in method and path
)

// service is one service: its protocol, XML namespace, and operations by name.
type service struct {
	name       string // as in a signature
	protocol   protocol
	namespace  string
	operations map[string]operation
}

// services says what this AWS can do. A query service is told by its Version, a JSON one by its target's prefix.
func services() map[string]service {
	return map[string]service{
		"2011-01-01":          {"autoscaling", query, "http://autoscaling.amazonaws.com/doc/2011-01-01/", autoscalingOperations()},
		"2015-12-01":          {"elasticloadbalancing", query, "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/", elbOperations()},
		"2010-08-01":          {"monitoring", query, "http://monitoring.amazonaws.com/doc/2010-08-01/", cloudwatchOperations()},
		"2011-06-15":          {"sts", query, "https://sts.amazonaws.com/doc/2011-06-15/", stsOperations()},
		"CodeDeploy_20141006": {"codedeploy", jsonRPC, "", codedeployOperations()},
		"scheduler":           {"scheduler", restJSON, "", schedulerOperations()},
	}
}

// api answers every call but the metadata service's.
func (s *Sim) api(w http.ResponseWriter, r *http.Request) {
	body, err := bodyOf(r)
	if err != nil {
		return // the caller is gone
	}
	svc, name, c := s.route(r, body)
	c.Sim, c.caller = s, s.callerOf(r)
	req := Request{Service: svc.name, Operation: name, Caller: c.caller, Params: params(c), Write: svc.operations[name].write}
	s.mu.Lock()
	faults := s.match(req)
	s.mu.Unlock()
	answer, err := s.perform(r, c, svc, &req, faults)
	req.Code = codeOf(err)
	s.record(req)
	breakOff(faults)
	if c.cbor {
		s.answerCBOR(w, answer, err)
		return
	}
	s.answer(w, svc, name, answer, err)
}

// bodyOf reads a request's body, which may be compressed: the SDK does so with PutMetricData.
func bodyOf(r *http.Request) ([]byte, error) {
	var in io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		in = z
	}
	return io.ReadAll(io.LimitReader(in, 1<<20))
}

// breakOff breaks the connection where a fault wants no answer.
func breakOff(faults []Fault) {
	for _, f := range faults {
		if f.NoAnswer || f.Hang {
			panic(http.ErrAbortHandler)
		}
	}
}

// perform does the call with what its faults add.
func (s *Sim) perform(r *http.Request, c *call, svc service, req *Request, faults []Fault) (any, error) {
	stale, err := s.suffer(r.Context(), svc, *req, faults)
	if err != nil {
		return nil, err
	}
	op, known := svc.operations[req.Operation]
	if !known {
		return nil, fails(http.StatusBadRequest, "InvalidAction", "Could not find operation %s for version %s", req.Operation, svc.namespace)
	}
	answer, err := s.run(c, op, stale)
	for _, f := range faults {
		if f.After != nil {
			f.After(*req)
		}
	}
	return answer, err
}

// suffer is what faults do to a call before it is done; they may end it. A caller who has gone away ends it too.
func (s *Sim) suffer(ctx context.Context, svc service, r Request, faults []Fault) (stale time.Duration, err error) {
	for _, f := range faults {
		if f.Before != nil {
			f.Before(r)
		}
		var wait <-chan time.Time
		if f.Latency > 0 {
			wait = time.After(f.Latency)
		}
		if f.Latency > 0 || f.Hang {
			select {
			case <-wait: // never, of one that hangs
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-s.ctx.Done():
				return 0, s.ctx.Err()
			}
		}
		stale = max(stale, f.Stale)
		if err := f.failure(svc, r, s.Account); err != nil {
			return 0, err
		}
	}
	return stale, nil
}

func (s *Sim) run(c *call, op operation, stale time.Duration) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(s.now())
	c.st = s.state
	if stale > 0 && !op.write {
		c.st = s.past(stale)
	}
	s.actor = c.caller
	answer, err := op.run(c)
	s.actor = ""
	s.settle(s.now())
	if op.write {
		s.remember()
	}
	return answer, err
}

// failure is the error that a fault answers, if it answers one.
func (f Fault) failure(svc service, r Request, account string) error {
	switch {
	case f.Deny:
		message := fmt.Sprintf("User: arn:aws:sts::%s:assumed-role/wingman/%s is not authorized to perform: %s:%s because no identity-based policy allows the %[3]s:%[4]s action", account, r.Caller, svc.name, r.Operation)
		if svc.protocol == query {
			return fails(http.StatusForbidden, "AccessDenied", "%s", message)
		}
		status := http.StatusBadRequest
		if svc.protocol == restJSON {
			status = http.StatusForbidden
		}
		return fails(status, "AccessDeniedException", "%s", message)
	case f.Throttle && svc.protocol == query:
		return fails(http.StatusBadRequest, "Throttling", "Rate exceeded")
	case f.Throttle && svc.protocol == restJSON:
		return fails(http.StatusTooManyRequests, "ThrottlingException", "Rate exceeded")
	case f.Throttle:
		return fails(http.StatusBadRequest, "ThrottlingException", "Rate exceeded")
	case f.Status != 0:
		return fails(f.Status, f.Code, "%s", f.Message)
	}
	return nil
}

// route finds what a request asks for.
func (s *Sim) route(r *http.Request, body []byte) (service, string, *call) {
	all := s.services
	c := &call{body: body}
	if r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor" {
		c.cbor = true
		c.form = cborForm(body)
		return all["2010-08-01"], path.Base(r.URL.Path), c
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		prefix, name, _ := strings.Cut(target, ".")
		return all[prefix], name, c
	}
	form, err := url.ParseQuery(string(body))
	if r.Method == http.MethodGet {
		form = r.URL.Query()
	}
	if err == nil && form.Has("Action") {
		c.form = form
		return all[form.Get("Version")], form.Get("Action"), c
	}
	svc := all["scheduler"]
	name, path := restRoute(r)
	c.path = path
	c.form = r.URL.Query()
	return svc, name, c
}

func params(c *call) map[string]string {
	out := map[string]string{}
	for k, v := range c.form {
		out[k] = v[0]
	}
	if len(c.body) > 0 && !c.cbor && !c.form.Has("Action") {
		out[""] = string(c.body)
	}
	for _, p := range c.path {
		out["Name"] = p
	}
	return out
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	if f, ok := err.(*failure); ok {
		return f.code
	}
	if errors.Is(err, context.Canceled) {
		return "Aborted" // nobody is there to read an answer
	}
	return "InternalFailure"
}

// answer writes the answer as the service's protocol has it. Each carries a Date: the time in this AWS.
func (s *Sim) answer(w http.ResponseWriter, svc service, name string, result any, err error) {
	id := s.head(w)
	f, isFailure := err.(*failure)
	if err != nil && !isFailure {
		f = fails(http.StatusInternalServerError, "InternalFailure", "%s", err)
	}
	if svc.protocol == query {
		w.Header().Set("Content-Type", "text/xml")
		if f != nil {
			w.WriteHeader(f.status)
			writeXMLError(w, svc, f, id)
			return
		}
		writeXML(w, svc, name, result, id)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if svc.protocol == restJSON {
		w.Header().Set("Content-Type", "application/json")
	}
	if f != nil {
		w.Header().Set("X-Amzn-Errortype", f.code)
		w.WriteHeader(f.status)
		out := map[string]any{"__type": f.code, "message": f.message, "Message": f.message}
		for k, v := range f.extra {
			out[k] = v
		}
		json.NewEncoder(w).Encode(out)
		return
	}
	if result == nil {
		result = struct{}{}
	}
	json.NewEncoder(w).Encode(result)
}

// head writes the headers that all answers have.
func (s *Sim) head(w http.ResponseWriter) (id string) {
	id = s.requestID()
	w.Header().Set("Date", s.Now().UTC().Format(http.TimeFormat))
	if s.Switches.NoDate {
		w.Header()["Date"] = nil // else the HTTP server adds its own
	}
	w.Header().Set("X-Amzn-Requestid", id)
	return id
}

func writeXML(w io.Writer, svc service, name string, result any, id string) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<%sResponse xmlns=%q>", name, svc.namespace)
	if result != nil {
		e := xml.NewEncoder(&b)
		if err := e.EncodeElement(result, xml.StartElement{Name: xml.Name{Local: name + "Result"}}); err != nil {
			fmt.Fprintf(&b, "<!-- %s -->", err)
		}
	}
	fmt.Fprintf(&b, "<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>\n", id, name)
	w.Write(b.Bytes())
}

func writeXMLError(w io.Writer, svc service, f *failure, id string) {
	kind := "Sender"
	if f.status >= 500 {
		kind = "Receiver"
	}
	var text bytes.Buffer
	xml.EscapeText(&text, []byte(f.message))
	fmt.Fprintf(w, "<ErrorResponse xmlns=%q><Error><Type>%s</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>\n", svc.namespace, kind, f.code, text.String(), id)
}

// callerOf gives who signed a request: the instance whose credentials these are, else the access key.
func (s *Sim) callerOf(r *http.Request) string {
	_, after, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(after, "/")
	if id, ok := strings.CutPrefix(key, "ASIA"); ok && len(id) == 17 { // as many digits as an instance's id has
		return "i-" + strings.ToLower(id)
	}
	return key
}

// requestID is shaped as AWS's are.
func (s *Sim) requestID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	return fmt.Sprintf("00000000-0000-4000-8000-%012x", s.seq)
}

// list reads a list parameter of the query protocol: NAME.member.1, NAME.member.2. given says whether the parameter
// was there at all, since for some calls none means all.
func (c *call) list(name string) (values []string, given bool) {
	for i := 1; ; i++ {
		v, ok := c.form[fmt.Sprintf("%s.member.%d", name, i)]
		if !ok {
			break
		}
		values = append(values, v[0])
	}
	return values, len(values) > 0 || c.form.Has(name)
}
