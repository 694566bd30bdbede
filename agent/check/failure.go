package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// givenUp is the answer of a try that somebody else ended: whoever called, not the application.
func givenUp(ctx context.Context) Observation {
	return Observation{Verdict: Inconclusive, Reason: whyDone(ctx) + " before an answer came"}
}

// whyDone is why ctx is done, in words.
func whyDone(ctx context.Context) string {
	why := "cancelled"
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		why = "out of time"
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, ctx.Err()) {
		why += " (" + oneLine(cause.Error(), maxLine) + ")"
	}
	return why
}

// noAnswer is what a try says that took longer than its timeout.
func noAnswer(timeout time.Duration) string { return fmt.Sprintf("no answer within %v", timeout) }

// netFailure translates the error of talking to address (host:port). ctx is the caller's, without the try's own timeout.
func netFailure(ctx context.Context, err error, address string, timeout time.Duration) Observation {
	if ctx.Err() != nil {
		return givenUp(ctx)
	}
	return Observation{Verdict: Fail, Reason: oneLine(netReason(err, address, timeout), 2*maxLine)}
}

func netReason(err error, address string, timeout time.Duration) string {
	var dns *net.DNSError
	var timed net.Error
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("cannot resolve %q: %s", dns.Name, dnsReason(dns, timeout))
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timed) && timed.Timeout():
		return noAnswer(timeout) + " at " + address
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused at " + address + " (nothing listens there)"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset by " + address
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return address + " closed the connection without a whole answer"
	}
	if reason := tlsReason(err, address); reason != "" {
		return reason
	}
	return fmt.Sprintf("cannot ask %s: %v", address, innermost(err))
}

func dnsReason(dns *net.DNSError, timeout time.Duration) string {
	switch {
	case dns.IsNotFound:
		return "no such host"
	case dns.IsTimeout:
		return "the name server gave " + noAnswer(timeout)
	}
	return dns.Err
}

// tlsReason is "" where err is no matter of TLS.
func tlsReason(err error, address string) string {
	const skip = " (tls_skip_verify: true accepts it all the same)"
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return "the certificate of " + address + " is signed by an unknown authority" + skip
	case errors.As(err, &name):
		return "the certificate of " + address + " is not for that name: " + name.Error() + skip
	case errors.As(err, &invalid):
		return "the certificate of " + address + " is not valid: " + invalid.Error() + skip
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return address + " speaks no TLS (http:// instead of https://?)"
	}
	return ""
}

// innermost drops the layers that only repeat the URL, which may hold a password, and the operation.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
