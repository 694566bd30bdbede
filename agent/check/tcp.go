package check

import (
	"context"
	"fmt"
	"net"
	"time"
)

type tcpChecker struct {
	address string
	timeout time.Duration
}

func newTCP(t TCP, timeout time.Duration) (Checker, error) {
	_, port, err := net.SplitHostPort(t.Address)
	if err != nil {
		return nil, fmt.Errorf("tcp: the address %s must be host:port", quoted(t.Address))
	}
	// Only a number or a service's name from the list that the resolver knows without asking anybody.
	if n, err := net.LookupPort("tcp", port); err != nil || n == 0 {
		return nil, fmt.Errorf("tcp: %s in %s is no port", quoted(port), quoted(t.Address))
	}
	return &tcpChecker{address: t.Address, timeout: timeout}, nil
}

func (c *tcpChecker) Check(ctx context.Context) Observation {
	if ctx.Err() != nil {
		return givenUp(ctx)
	}
	dialer := net.Dialer{Timeout: c.timeout}
	conn, err := dialer.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return netFailure(ctx, err, c.address, c.timeout)
	}
	_ = conn.Close() // nothing was written
	return Observation{Verdict: Pass, Reason: "connected to " + c.address}
}
