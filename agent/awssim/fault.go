package awssim

import (
	"reflect"
	"time"
)

// Fault makes calls go wrong: those that match Service, Operation and Caller ("" is any), but for the first Skip of
// them, and at most Times (0: all that come).
type Fault struct {
	Service   string // autoscaling, codedeploy, elasticloadbalancing, monitoring, scheduler, sts, imds: as in a signature
	Operation string // SuspendProcesses
	Caller    string // an instance's id
	Skip      int
	Times     int

	Latency  time.Duration // before anything is done
	Stale    time.Duration // a read sees what was so long ago
	Throttle bool          // "Rate exceeded", nothing is done
	Rate     float64       // so is what comes faster than so many calls a second, beyond Burst (at least 1) at once
	Burst    int
	Deny     bool // the caller's policies do not allow it
	Status   int  // a plain failure with that HTTP status and Code, nothing is done
	Code     string
	Message  string
	Hang     bool // no answer until the caller gives up, nothing is done
	NoAnswer bool // it is done, and the connection breaks before the answer

	Before func(Request) // called before anything is done
	After  func(Request) // called once it is done, before the answer
}

// Request is one call as it came.
type Request struct {
	At        time.Time
	Service   string
	Operation string
	Caller    string            // the instance whose credentials signed it; else the access key
	Params    map[string]string // of the query protocol, as sent: ScalingProcesses.member.1; of the others the body under "", and the Name in the path
	Write     bool
	Code      string // the error's code; "" where it went well
}

// fault is a Fault in force.
type fault struct {
	Fault
	seen, hit int
	tokens    float64 // of Rate
	filled    time.Time
}

// spare says that a call is within the fault's Rate.
func (f *fault) spare(now time.Time) bool {
	burst := float64(max(1, f.Burst))
	if f.filled.IsZero() {
		f.tokens, f.filled = burst, now
	}
	f.tokens, f.filled = min(burst, f.tokens+f.Rate*now.Sub(f.filled).Seconds()), now
	if f.tokens < 1 {
		return false
	}
	f.tokens--
	return true
}

// Inject puts a fault in force until remove is called.
func (s *Sim) Inject(f Fault) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := &fault{Fault: f}
	s.faults = append(s.faults, in)
	s.remember()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, have := range s.faults {
			if have == in {
				s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
				return
			}
		}
	}
}

// match gives the faults that a call meets, and counts it.
func (s *Sim) match(r Request) (hit []Fault) {
	for _, f := range s.faults {
		if f.Service != "" && f.Service != r.Service || f.Operation != "" && f.Operation != r.Operation || f.Caller != "" && f.Caller != r.Caller {
			continue
		}
		if f.seen++; f.seen <= f.Skip || f.Times > 0 && f.hit >= f.Times {
			continue
		}
		now := f.Fault
		if f.Rate > 0 {
			if f.spare(s.now()) {
				continue
			}
			now.Throttle = true
		}
		f.hit++
		hit = append(hit, now)
	}
	return hit
}

// Requests gives every call so far, in the order of their ends.
func (s *Sim) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request{}, s.requests...)
}

// record keeps a call for Requests. That too is something that Until may wait for.
func (s *Sim) record(r Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.At = s.now()
	s.requests = append(s.requests, r)
	s.stir()
}

// stir wakes who waits for a change. The caller holds mu.
func (s *Sim) stir() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// snapshot is the state from a time on.
type snapshot struct {
	at    time.Time
	state *state
}

// remember keeps the state for stale reads, as far back as the stalest fault wants, and wakes who waits for a change.
// The caller holds mu.
func (s *Sim) remember() {
	s.stir()
	var back time.Duration
	for _, f := range s.faults {
		back = max(back, f.Stale)
	}
	if back == 0 {
		s.history = nil
		return
	}
	now := s.now()
	s.history = append(s.history, snapshot{now, clone(s.state)})
	for len(s.history) > 1 && s.history[1].at.Before(now.Add(-back)) {
		s.history = s.history[1:]
	}
}

// past gives the state as it was so long ago, or the oldest that is kept.
func (s *Sim) past(ago time.Duration) *state {
	then, seen := s.now().Add(-ago), s.state
	for i := len(s.history) - 1; i >= 0; i-- {
		seen = s.history[i].state
		if !s.history[i].at.After(then) {
			break
		}
	}
	return seen
}

// clone copies the state to the last pointer.
func clone(s *state) *state {
	return deep(reflect.ValueOf(s)).Interface().(*state)
}

func deep(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(deep(v.Elem()))
		return out
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			out.SetMapIndex(it.Key(), deep(it.Value()))
		}
		return out
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(deep(v.Index(i)))
		}
		return out
	case reflect.Struct:
		if _, ok := v.Interface().(time.Time); ok {
			return v
		}
		out := reflect.New(v.Type()).Elem()
		for i := range v.NumField() {
			out.Field(i).Set(deep(v.Field(i)))
		}
		return out
	}
	return v
}
