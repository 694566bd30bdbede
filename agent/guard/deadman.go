package guard

import (
	"slices"
	"time"
)

// Schedule is the dead-man switch of a group: one schedule of EventBridge Scheduler, which calls Auto Scaling's
// ResumeProcesses by itself, even if every instance is gone. It cannot see stamps.
type Schedule struct {
	Name      string
	Group     string // the Auto Scaling group
	GroupARN  string
	At        time.Time
	Processes []Process
	Exists    bool // GetSchedule, MoveSchedule: there is one, to be updated

	ScheduleGroup string        // where it is kept
	RoleARN       string        // as whom it resumes
	MaxAge        time.Duration // a call that could not be made for so long is given up: it would meet a newer guard
	Why           string        // its description
}

// on says whether there is a switch at all.
func (d DeadMan) on() bool { return d.RoleARN != "" }

// schedule names a group's switch: names take 64 plain characters, a group's name 255 of any kind.
func (d DeadMan) schedule(g Group) Schedule {
	return Schedule{Name: "wm-" + hash(g.ARN, 32), Group: g.Name, GroupARN: g.ARN, ScheduleGroup: d.ScheduleGroup, RoleARN: d.RoleARN}
}

// set creates or moves the switch, before the slot is written: only to later, and with what was running.
func (d DeadMan) set(do Do, g Group, r Record, grace time.Duration, now time.Time) error {
	want := d.schedule(g)
	a := do(Call{Op: GetSchedule, Group: g.Name, Schedule: want, Deadline: now.Add(2 * aside)})
	if a.Err != nil {
		return a.Err
	}
	slices.Sort(a.Schedule.Processes)
	at := r.until(now).Add(grace + Staleness)
	if soon := a.Now.Add(2 * time.Minute); at.Before(soon) {
		at = soon
	}
	want.At, want.Exists, want.MaxAge = at.Truncate(time.Minute).Add(time.Minute), a.Schedule.Exists, max(time.Minute, grace)
	want.Why = "wingman: gives back what the guard of " + r.Deployment + " suspended, if nobody else can"
	for _, c := range r.Owned {
		if _, suspended := g.Suspended[c.Process]; !suspended || has(a.Schedule.Processes, c.Process) {
			want.Processes = append(want.Processes, c.Process)
		}
	}
	want.Processes = union(want.Processes, a.Schedule.Processes)
	slices.Sort(want.Processes)
	if a.Schedule.At.After(want.At) {
		want.At = a.Schedule.At
	}
	if len(want.Processes) == 0 || a.Schedule.Exists && want.At.Equal(a.Schedule.At) && slices.Equal(want.Processes, a.Schedule.Processes) {
		return nil
	}
	return do(Call{Op: MoveSchedule, Group: g.Name, Schedule: want, Deadline: now.Add(2 * aside)}).Err
}
