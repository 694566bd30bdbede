package awssim

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"
)

// schedulerCaller is who calls a schedule's target: in Requests, in a Fault's Caller, and in Change.By.
const schedulerCaller = "scheduler.amazonaws.com"

// operation is the operation of Auto Scaling that a universal target calls: arn:PARTITION:scheduler:::aws-sdk:SERVICE:operation.
func (t scheduleTarget) operation() (name string, universal bool) {
	_, name, universal = strings.Cut(t.Arn, ":scheduler:::aws-sdk:autoscaling:")
	if !universal || name == "" {
		return "", universal
	}
	return strings.ToUpper(name[:1]) + name[1:], true
}

// arm has a schedule fire at its time, if it is then still what it is now.
func (s *Sim) arm(sch *schedule) {
	s.seq++
	sch.Version, sch.Modified = s.seq, s.now()
	t, once, _ := sch.In.due()
	if !once {
		return
	}
	// it fires at the first full period that is not before its time: at the minute, on AWS
	at := t.Truncate(s.Delays.Schedule)
	if at.Before(t) {
		at = at.Add(s.Delays.Schedule)
	}
	key, version := sch.Group+"/"+sch.Name, sch.Version
	s.at(later(at, s.now()), func() {
		if sch := s.state.Schedules[key]; sch != nil && sch.Version == version && sch.In.State == "ENABLED" {
			s.fire(key, version, sch.In.Target, s.now(), 0)
		}
	})
}

// fire calls a target, and again while it fails and the retry policy allows it. What is under way goes on whatever
// becomes of the schedule: a late attempt can undo what was done since.
func (s *Sim) fire(key string, version int, t scheduleTarget, first time.Time, attempt int) {
	err := s.invoke(t)
	text := "fired " + key
	if err != nil {
		text += ": " + err.Error()
	}
	s.actor = schedulerCaller
	s.emit(Change{Kind: ScheduleChanged, Text: text})
	s.actor = ""
	age := time.Duration(*t.RetryPolicy.MaximumEventAgeInSeconds) * time.Second
	if err != nil && attempt < *t.RetryPolicy.MaximumRetryAttempts && s.now().Add(s.Delays.Retry).Sub(first) <= age {
		s.after(s.Delays.Retry, func() { s.fire(key, version, t, first, attempt+1) })
		return
	}
	if sch := s.state.Schedules[key]; sch != nil && sch.Version == version && sch.In.ActionAfterCompletion == "DELETE" {
		delete(s.state.Schedules, key)
	}
}

// invoke calls a universal target of Auto Scaling on this AWS, as a call that meets faults like any other, but for those
// that take time or are functions: it happens with mu held. Other targets are not there to be called.
func (s *Sim) invoke(t scheduleTarget) error {
	name, universal := t.operation()
	if !universal {
		return nil
	}
	svc := s.services["2011-01-01"]
	c := &call{Sim: s, st: s.state, form: url.Values{}, caller: schedulerCaller}
	var input map[string]any
	err := json.Unmarshal([]byte(t.Input), &input)
	flatten(c.form, "", input)
	req := Request{At: s.now(), Service: svc.name, Operation: name, Caller: c.caller, Params: params(c), Write: true}
	faults := s.match(req)
	for _, f := range faults {
		err = cmp.Or(err, f.failure(svc, req, s.Account))
	}
	if err == nil {
		s.actor = schedulerCaller
		_, err = svc.operations[name].run(c)
		s.actor = ""
	}
	req.Code = codeOf(err)
	for _, f := range faults {
		if f.NoAnswer {
			err = cmp.Or(err, errors.New("no answer")) // done, and it will be done again
		}
	}
	s.requests = append(s.requests, req)
	return err
}
