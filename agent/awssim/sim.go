// Package awssim is a part of AWS, in memory, over HTTP: Auto Scaling, Elastic Load Balancing v2, CodeDeploy with its
// deployments, CloudWatch alarms, EventBridge Scheduler, STS, and each instance's metadata service. AWS's own clients
// speak to it as they speak to AWS. What it does with a scaling process that is suspended, an instance that is
// unhealthy or a schedule that is due is what AWS does, at a speed that the caller chooses; each call can be made
// slow, throttled, stale, denied, lost or broken.
//
// What is not known of AWS for certain is a switch (Switches), so that what rests on it can be tried both ways.
package awssim

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Config says which AWS is simulated. The zero value is a fast AWS in eu-west-1 on the wall clock.
type Config struct {
	Region   string    // default eu-west-1
	Account  string    // default 123456789012
	Start    time.Time // a virtual clock that stands here and that only Advance moves; zero: the wall clock
	Delays   Delays
	Switches Switches
	Agent    Agent // who runs lifecycle events on the instances; nil: nobody, each takes Delays.Event and succeeds
	// InMemory has no port opened: calls come by Dial. Then nothing waits for the network, so that a whole scene, clients
	// and all, can be in a testing/synctest bubble, where hours take no time.
	InMemory bool
	// Addresses gives the private address of the n-th instance, from 1; nil: one in 10.0.0.0/16.
	Addresses func(n int) string

	// Health is what a load balancer's health check finds; a reason is one of Target.ResponseCodeMismatch,
	// Target.Timeout, Target.FailedHealthChecks. nil: an instance is healthy unless it is broken or sick. On a virtual clock
	// the simulator waits for it, so that it must not call the simulator.
	Health func(Target) (healthy bool, reason string)

	// What goes wrong and is no fault of a call. None of these may call the simulator.
	Deaf    func(instance string) bool                        // its CodeDeploy agent takes no command: dead, without credentials, without a route
	Refused func(group string) string                         // why EC2 does not launch an instance for that Auto Scaling group; "": it does
	Ends    func() (code, message string)                     // why CodeDeploy fails a deployment before it has done anything; "": it does not
	Traffic func(instance, event string) (o Outcome, is bool) // how CodeDeploy's own AllowTraffic and BlockTraffic come out; without is: as the load balancer has it
	// Deployed is told what happens in deployments, in order and as it happens: the simulator waits for it meanwhile,
	// so that it has to be quick and must not call the simulator.
	Deployed func(Progress)
}

// Sim is one simulated account in one region. Its methods may be called at any time, from any goroutine.
type Sim struct {
	Config
	mu       sync.Mutex
	state    *state
	clock    time.Time // of a virtual clock
	queue    queue
	seq      int
	busy     int        // agents at work
	idle     *sync.Cond // one of them is done
	history  []snapshot // what stale reads see; kept only while a fault wants it
	faults   []*fault
	requests []Request
	wake     chan struct{}
	ctx      context.Context // ends with Close: agents and latencies heed it
	end      context.CancelFunc
	servers  []*http.Server
	pipes    map[string]*pipes // InMemory: by address
	done     sync.WaitGroup
	url      string
	services map[string]service
	metadata map[string]string // each instance's metadata service: its URL, by instance
	actor    string            // who is acting while mu is held, for Change
	changed  chan struct{}     // closed at the next change, if somebody waits for it
	watchers []*watcher
}

// New starts a simulated AWS on a free port of the loopback interface. Close ends it.
func New(c Config) (*Sim, error) {
	if c.Region == "" {
		c.Region = "eu-west-1"
	}
	if c.Account == "" {
		c.Account = "123456789012"
	}
	c.Delays = c.Delays.withDefaults()
	s := &Sim{Config: c, state: newState(), clock: c.Start, wake: make(chan struct{}, 1), services: services(), metadata: map[string]string{}, pipes: map[string]*pipes{}}
	s.idle = sync.NewCond(&s.mu)
	s.ctx, s.end = context.WithCancel(context.Background())
	var err error
	if s.url, err = s.serve("127.0.0.1:0", http.HandlerFunc(s.api)); err != nil {
		s.end()
		return nil, err
	}
	if !s.virtual() {
		s.done.Go(s.tick)
	}
	return s, nil
}

// URL is what AWS_ENDPOINT_URL takes.
func (s *Sim) URL() string { return s.url }

// Close ends the servers and waits for what is under way.
func (s *Sim) Close() error {
	s.end()
	var errs []error
	s.mu.Lock()
	servers := s.servers
	s.mu.Unlock()
	for _, srv := range servers {
		errs = append(errs, srv.Close())
	}
	s.done.Wait()
	return errors.Join(errs...)
}

// serve starts one more HTTP server and gives its URL.
func (s *Sim) serve(address string, h http.Handler) (string, error) {
	l, err := s.listener(address)
	if err != nil {
		return "", fmt.Errorf("cannot simulate AWS: %w", err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	s.mu.Lock()
	s.servers = append(s.servers, srv)
	s.mu.Unlock()
	s.done.Go(func() { _ = srv.Serve(l) }) // it ends with ErrServerClosed, always
	return "http://" + l.Addr().String(), nil
}

func (s *Sim) listener(address string) (net.Listener, error) {
	if !s.InMemory {
		return net.Listen("tcp", address)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &pipes{address: fmt.Sprintf("127.0.0.1:%d", 1+len(s.pipes)), calls: make(chan net.Conn), closed: make(chan struct{})}
	s.pipes[l.address] = l
	return l, nil
}

func (s *Sim) virtual() bool { return !s.Start.IsZero() }

// Now is the time in this AWS.
func (s *Sim) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

// now is Now for who holds mu.
func (s *Sim) now() time.Time {
	if s.virtual() {
		return s.clock
	}
	return time.Now()
}

// Advance moves a virtual clock on, through everything that falls due meanwhile, in order. Agents take no virtual
// time: it waits for those that are at work before it goes on to the next instant.
func (s *Sim) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := s.clock.Add(d)
	for {
		for s.busy > 0 {
			s.idle.Wait()
		}
		if len(s.queue) == 0 || s.queue[0].at.After(end) {
			break
		}
		s.settle(s.queue[0].at)
	}
	s.clock = end
}

// due is something that happens at a time.
type due struct {
	at  time.Time
	seq int // things of the same time happen in the order in which they were asked for
	do  func()
}

// after has do called, with mu held, once d has passed. What it was about may be gone by then: do looks.
func (s *Sim) after(d time.Duration, do func()) { s.at(s.now().Add(d), do) }

func (s *Sim) at(t time.Time, do func()) {
	s.seq++
	heap.Push(&s.queue, due{t, s.seq, do})
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// settle does all that is due up to end. The caller holds mu.
func (s *Sim) settle(end time.Time) {
	for len(s.queue) > 0 && !s.queue[0].at.After(end) {
		d := heap.Pop(&s.queue).(due)
		if s.virtual() && d.at.After(s.clock) {
			s.clock = d.at
		}
		d.do()
		s.remember()
	}
}

// tick settles what is due on the wall clock.
func (s *Sim) tick() {
	for {
		s.mu.Lock()
		s.settle(time.Now())
		wait := time.Hour
		if len(s.queue) > 0 {
			wait = time.Until(s.queue[0].at)
		}
		s.mu.Unlock()
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-s.wake:
			t.Stop()
		case <-s.ctx.Done():
			t.Stop()
			return
		}
	}
}

// Do lets f look at and change the state between two calls, for what no API of AWS does: an instance that breaks, a
// metric that rises. It is for this package's methods.
func (s *Sim) do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(s.now())
	f()
	s.settle(s.now())
	s.remember()
}

type queue []due

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, k int) bool {
	if q[i].at.Equal(q[k].at) {
		return q[i].seq < q[k].seq
	}
	return q[i].at.Before(q[k].at)
}
func (q queue) Swap(i, k int) { q[i], q[k] = q[k], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(due)) }
func (q *queue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}
