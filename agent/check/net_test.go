package check

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// app answers by path.
func app(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/starting":
		w.WriteHeader(503)
		_, _ = io.WriteString(w, "starting\nline two\x00")
	case "/moved":
		w.Header().Set("Location", "http://elsewhere/")
		w.WriteHeader(302)
	case "/echo":
		_, _ = io.WriteString(w, r.Method+" "+r.Host+" "+r.Header.Get("X-A")+" "+r.Header.Get("Connection")+" "+r.Header.Get("Accept-Encoding"))
	case "/huge":
		_, _ = io.WriteString(w, strings.Repeat("x", maxBody)+"needle")
	case "/cut":
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
	case "/endless":
		_, _ = io.WriteString(w, "ok so far")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	case "/drop":
		conn, _, _ := w.(http.Hijacker).Hijack()
		_ = conn.Close()
	case "/version":
		_, _ = io.WriteString(w, "v1\n")
	default:
		_, _ = io.WriteString(w, "ok")
	}
}

func start(t *testing.T, s *httptest.Server, begin func()) *httptest.Server {
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	begin()
	t.Cleanup(s.Close)
	return s
}

func TestHTTP(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(app))
	start(t, s, s.Start)
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	host := s.Listener.Addr().String()
	for _, c := range []struct {
		path    string
		h       HTTP
		verdict Verdict
		reason  string
	}{
		{"/", HTTP{}, Pass, "status 200"},
		{"/", HTTP{Body: "ok"}, Pass, "status 200"},
		{"/", HTTP{Body: "fine"}, Fail, `status 200, but the body lacks "fine"; body: "ok"`},
		{"/", HTTP{Status: "204"}, Fail, `status 200, want 204; body: "ok"`},
		{"/starting", HTTP{}, Fail, `status 503, want 200-299; body: "starting line two"`},
		{"/starting", HTTP{Status: "200,503"}, Pass, "status 503"},
		{"/moved", HTTP{}, Fail, "status 302, want 200-299; redirects to http://elsewhere/, which is not followed"},
		{"/moved", HTTP{Status: "200-399"}, Pass, "status 302"},
		{"/echo", HTTP{Method: "POST", Headers: map[string]string{"host": "my.app", "X-A": "b"}, Body: "POST my.app b close "}, Pass, "status 200"},
		{"/echo", HTTP{Body: "GET " + host}, Pass, "status 200"},
		{"/huge", HTTP{Body: "needle"}, Fail, `status 200, but the body lacks "needle"; body: "` + strings.Repeat("x", 119) + `…"`},
		{"/cut", HTTP{Body: "whole"}, Fail, "status 200, then " + host + " closed the connection without a whole answer"},
		{"/endless", HTTP{}, Pass, "status 200"},
		{"/endless", HTTP{Body: "ok"}, Pass, "status 200"},
		{"/endless", HTTP{Body: "done"}, Fail, "status 200, then no answer within 200ms at " + host},
		{"/drop", HTTP{}, Fail, host + " closed the connection without a whole answer"},
	} {
		c.h.URL = s.URL + c.path
		timing := Timing{Timeout: 5 * time.Second}
		if c.path == "/endless" {
			timing.Timeout = 200 * time.Millisecond
		}
		if o := ask(t, Settings{HTTP: &c.h, Timing: timing}); o.Verdict != c.verdict || o.Reason != c.reason {
			t.Errorf("%s %+v:\ngot  %s %q\nwant %s %q", c.path, c.h, o.Verdict, o.Reason, c.verdict, c.reason)
		}
	}
}

func TestHTTPS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(app))
	start(t, s, s.StartTLS)
	plain := httptest.NewUnstartedServer(http.HandlerFunc(app))
	start(t, plain, plain.Start)
	host := s.Listener.Addr().String()
	for _, c := range []struct {
		h       HTTP
		verdict Verdict
		reason  string
	}{
		{HTTP{URL: s.URL, TLSSkipVerify: true}, Pass, "status 200"},
		{HTTP{URL: s.URL}, Fail, "the certificate of " + host + " is signed by an unknown authority (tls_skip_verify: true accepts it all the same)"},
		{HTTP{URL: "https://" + plain.Listener.Addr().String()}, Fail, plain.Listener.Addr().String() + " speaks no TLS (http:// instead of https://?)"},
		{HTTP{URL: "http://" + host}, Fail, `status 400, want 200-299; body: "Client sent an HTTP request to an HTTPS server."`},
	} {
		if o := ask(t, Settings{HTTP: &c.h, Timing: Timing{Timeout: 5 * time.Second}}); o.Verdict != c.verdict || o.Reason != c.reason {
			t.Errorf("%+v:\ngot  %s %q\nwant %s %q", c.h, o.Verdict, o.Reason, c.verdict, c.reason)
		}
	}
}

func TestBuild(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(app))
	start(t, s, s.Start)
	for _, c := range []struct {
		path    string
		b       Build
		verdict Verdict
		reason  string
	}{
		{"/version", Build{Equals: "v1"}, Pass, `answers "v1"`},
		{"/version", Build{Contains: "1"}, Pass, `answers "v1"`},
		{"/version", Build{Equals: "v2"}, Fail, `answers "v1", want "v2" (does an old version still run?)`},
		{"/version", Build{Contains: "v2"}, Fail, `answers "v1", want it to contain "v2" (does an old version still run?)`},
		{"/starting", Build{Equals: "v2"}, Fail, `status 503, want 200-299; body: "starting line two"`},
		{"/cut", Build{Equals: "v2"}, Fail, "status 200, then " + s.Listener.Addr().String() + " closed the connection without a whole answer"},
	} {
		c.b.URL = s.URL + c.path
		if o := ask(t, Settings{Build: &c.b, Timing: Timing{Timeout: 5 * time.Second}}); o.Verdict != c.verdict || o.Reason != c.reason {
			t.Errorf("%s %+v:\ngot  %s %q\nwant %s %q", c.path, c.b, o.Verdict, o.Reason, c.verdict, c.reason)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if o := ask(t, Settings{TCP: &TCP{Address: address}}); o.Verdict != Pass || o.Reason != "connected to "+address {
		t.Errorf("got %+v", o)
	}
	_ = l.Close()
	want := Observation{Verdict: Fail, Reason: "connection refused at " + address + " (nothing listens there)"}
	if o := ask(t, Settings{TCP: &TCP{Address: address}}); o != want {
		t.Errorf("tcp: got %+v", o)
	}
	if o := ask(t, Settings{HTTP: &HTTP{URL: "http://u:secret@" + address}}); o != want {
		t.Errorf("http: got %+v", o)
	}
}

func TestNetReason(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&net.DNSError{Name: "db.local", IsNotFound: true}, `cannot resolve "db.local": no such host`},
		{&net.DNSError{Name: "db.local", IsTimeout: true}, `cannot resolve "db.local": the name server gave no answer within 1s`},
		{&net.DNSError{Name: "db.local", Err: "server misbehaving"}, `cannot resolve "db.local": server misbehaving`},
		{&net.OpError{Op: "dial", Err: &net.AddrError{Err: "bad", Addr: "h"}}, "cannot ask h:1: address h: bad"},
		{tls.RecordHeaderError{Msg: "x"}, "h:1 speaks no TLS (http:// instead of https://?)"},
	} {
		if got := netReason(c.err, "h:1", time.Second); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
