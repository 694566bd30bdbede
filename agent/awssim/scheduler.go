package awssim

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// schedule is one of EventBridge Scheduler's, as it was given.
type schedule struct {
	Name, Group, ARN  string
	Token             string // ClientToken: the same call again finds what it made
	Version           int    // a firing of an older version does not happen
	Created, Modified time.Time
	In                scheduleInput
}

// scheduleInput is what CreateSchedule and UpdateSchedule take: each replaces all of it.
type scheduleInput struct {
	ActionAfterCompletion      string
	Description                string `json:",omitempty"`
	FlexibleTimeWindow         flexibleWindow
	ScheduleExpression         string
	ScheduleExpressionTimezone string
	State                      string
	Target                     scheduleTarget
}

type flexibleWindow struct {
	Mode                   string
	MaximumWindowInMinutes int `json:",omitempty"`
}

type scheduleTarget struct {
	Arn, RoleArn     string
	Input            string `json:",omitempty"`
	RetryPolicy      retryPolicy
	DeadLetterConfig *struct{ Arn string } `json:",omitempty"`
}

type retryPolicy struct{ MaximumEventAgeInSeconds, MaximumRetryAttempts *int }

func schedulerOperations() map[string]operation {
	return map[string]operation{
		"CreateSchedule":      {true, (*call).createSchedule},
		"GetSchedule":         {false, (*call).getSchedule},
		"UpdateSchedule":      {true, (*call).updateSchedule},
		"DeleteSchedule":      {true, (*call).deleteSchedule},
		"ListSchedules":       {false, (*call).listSchedules},
		"CreateScheduleGroup": {true, (*call).createScheduleGroup},
		"GetScheduleGroup":    {false, (*call).getScheduleGroup},
		"DeleteScheduleGroup": {true, (*call).deleteScheduleGroup},
		"ListScheduleGroups":  {false, (*call).listScheduleGroups},
	}
}

// restRoute finds the scheduler's operation by method and path.
func restRoute(r *http.Request) (name string, path []string) {
	noun, item, named := strings.Cut(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	if item, err := url.PathUnescape(item); err == nil {
		path = []string{item}
	}
	kinds := map[string]string{"schedules": "Schedule", "schedule-groups": "ScheduleGroup"}
	verbs := map[string]string{http.MethodPost: "Create", http.MethodGet: "Get", http.MethodPut: "Update", http.MethodDelete: "Delete"}
	if kinds[noun] == "" {
		return r.Method + " " + r.URL.Path, path
	}
	if !named && r.Method == http.MethodGet {
		return "List" + kinds[noun] + "s", path
	}
	return verbs[r.Method] + kinds[noun], path
}

func notValid(format string, args ...any) error {
	return fails(400, "ValidationException", format, args...)
}

// readSchedule reads and checks what CreateSchedule and UpdateSchedule take, and fills the defaults.
func (c *call) readSchedule() (in scheduleInput, group, token string, err error) {
	var body struct {
		GroupName, ClientToken string
		scheduleInput
	}
	if err := json.Unmarshal(c.body, &body); err != nil {
		return in, "", "", fails(400, "SerializationException", "%s", err)
	}
	in = body.scheduleInput
	in.ActionAfterCompletion, in.State = cmp.Or(in.ActionAfterCompletion, "NONE"), cmp.Or(in.State, "ENABLED")
	in.ScheduleExpressionTimezone = cmp.Or(in.ScheduleExpressionTimezone, "UTC")
	p := &in.Target.RetryPolicy
	age, attempts := 86400, 185
	if p.MaximumEventAgeInSeconds == nil {
		p.MaximumEventAgeInSeconds = &age
	}
	if p.MaximumRetryAttempts == nil {
		p.MaximumRetryAttempts = &attempts
	}
	return in, cmp.Or(body.GroupName, "default"), body.ClientToken, c.checkSchedule(in)
}

func (c *call) checkSchedule(in scheduleInput) error {
	name := c.path[0]
	if ok, _ := regexp.MatchString(`^[0-9a-zA-Z-_.]{1,64}$`, name); !ok {
		return notValid("1 validation error detected: Value '%s' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$", name)
	}
	due, once, err := in.due()
	age, attempts := *in.Target.RetryPolicy.MaximumEventAgeInSeconds, *in.Target.RetryPolicy.MaximumRetryAttempts
	switch {
	case err != nil:
		return err
	case once && c.Switches.PastScheduleRefused && due.Before(c.now()):
		return notValid("Invalid Schedule Expression %s: the time is in the past.", in.ScheduleExpression)
	case in.FlexibleTimeWindow.Mode == "":
		return notValid("FlexibleTimeWindow is required.")
	case in.Target.Arn == "" || in.Target.RoleArn == "":
		return notValid("Target.Arn and Target.RoleArn are required.")
	case age < 60 || age > 86400 || attempts < 0 || attempts > 185:
		return notValid("The retry policy is out of its bounds: 60 to 86400 seconds, 0 to 185 attempts.")
	}
	if !strings.HasPrefix(in.Target.Arn, "arn:"+c.partition()+":") {
		return notValid("Provided Arn is not in correct format.")
	}
	if op, universal := in.Target.operation(); universal && !c.services["2011-01-01"].operations[op].write {
		return notValid("Provided Arn is not in correct format.") // reading, and what is not there, cannot be a target
	}
	return nil
}

// due is when a one-time schedule is for. rate and cron expressions are kept, and never fire here.
func (in scheduleInput) due() (t time.Time, once bool, err error) {
	e := in.ScheduleExpression
	if strings.HasPrefix(e, "rate(") || strings.HasPrefix(e, "cron(") {
		return t, false, nil
	}
	zone, err := time.LoadLocation(in.ScheduleExpressionTimezone)
	if err != nil {
		return t, false, notValid("Invalid Schedule Expression Timezone %s.", in.ScheduleExpressionTimezone)
	}
	text, is := strings.CutPrefix(e, "at(")
	if t, err = time.ParseInLocation("2006-01-02T15:04:05", strings.TrimSuffix(text, ")"), zone); err != nil || !is || !strings.HasSuffix(text, ")") {
		return t, false, notValid("Invalid Schedule Expression %s.", e)
	}
	return t, true, nil
}

func (c *call) noSchedule() error {
	return fails(http.StatusNotFound, "ResourceNotFoundException", "Schedule %s does not exist.", c.path[0])
}

type scheduleARN struct{ ScheduleArn string }

// createSchedule creates what is not there: the name is unique in its group, which makes it a lock.
func (c *call) createSchedule() (any, error) {
	in, group, token, err := c.readSchedule()
	if err != nil {
		return nil, err
	}
	name := c.path[0]
	if _, is := c.state.ScheduleDirs[group]; !is {
		return nil, fails(http.StatusNotFound, "ResourceNotFoundException", "Schedule group %s does not exist.", group)
	}
	if old := c.state.Schedules[group+"/"+name]; old != nil {
		if token != "" && old.Token == token {
			return scheduleARN{old.ARN}, nil
		}
		return nil, fails(http.StatusConflict, "ConflictException", "Schedule %s already exists.", name)
	}
	s := &schedule{Name: name, Group: group, ARN: c.arn("scheduler", "schedule/"+group+"/"+name), Token: token, Created: c.now(), In: in}
	c.state.Schedules[group+"/"+name] = s
	c.arm(s)
	c.emit(Change{Kind: ScheduleChanged, Text: "created " + s.ARN + " " + in.ScheduleExpression})
	return scheduleARN{s.ARN}, nil
}

func (c *call) updateSchedule() (any, error) {
	in, group, _, err := c.readSchedule()
	if err != nil {
		return nil, err
	}
	s := c.state.Schedules[group+"/"+c.path[0]]
	if s == nil {
		return nil, c.noSchedule()
	}
	s.In = in
	c.arm(s)
	c.emit(Change{Kind: ScheduleChanged, Text: "updated " + s.ARN + " " + in.ScheduleExpression})
	return scheduleARN{s.ARN}, nil
}

func (c *call) getSchedule() (any, error) {
	s := c.st.Schedules[cmp.Or(c.text("groupName"), "default")+"/"+c.path[0]]
	if s == nil {
		return nil, c.noSchedule()
	}
	return struct {
		Arn, GroupName, Name               string
		CreationDate, LastModificationDate float64
		scheduleInput
	}{s.ARN, s.Group, s.Name, epoch(s.Created), epoch(s.Modified), s.In}, nil
}

// epoch is a time as the JSON protocols have it.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func (c *call) deleteSchedule() (any, error) {
	key := cmp.Or(c.text("groupName"), "default") + "/" + c.path[0]
	s := c.state.Schedules[key]
	if s == nil {
		return nil, c.noSchedule()
	}
	delete(c.state.Schedules, key)
	c.emit(Change{Kind: ScheduleChanged, Text: "deleted " + s.ARN})
	return nil, nil
}

type scheduleSummary struct {
	Arn, GroupName, Name, State        string
	CreationDate, LastModificationDate float64
	Target                             struct{ Arn string }
}

func (c *call) listSchedules() (any, error) {
	all := []scheduleSummary{}
	for _, s := range sorted(c.st.Schedules) {
		if (c.text("ScheduleGroup") == s.Group || c.text("ScheduleGroup") == "") && strings.HasPrefix(s.Name, c.text("NamePrefix")) && (c.text("State") == s.In.State || c.text("State") == "") {
			all = append(all, scheduleSummary{s.ARN, s.Group, s.Name, s.In.State, epoch(s.Created), epoch(s.Modified), struct{ Arn string }{s.In.Target.Arn}})
		}
	}
	return restPage(c, "Schedules", all)
}

// restPage answers with what MaxResults and NextToken ask for of a list.
func restPage[T any](c *call, name string, all []T) (any, error) {
	n, from := 100, 0
	c.into("MaxResults", &n)
	c.into("NextToken", &from)
	if n < 1 || n > 100 || from < 0 || from > len(all) {
		return nil, notValid("1 validation error detected: MaxResults or NextToken is not valid")
	}
	end := min(from+n, len(all))
	out := map[string]any{name: all[from:end]}
	if end < len(all) {
		out["NextToken"] = strconv.Itoa(end)
	}
	return out, nil
}

type scheduleGroup struct {
	Arn, Name, State                   string
	CreationDate, LastModificationDate float64
}

func (c *call) scheduleGroup(name string) scheduleGroup {
	at := epoch(c.st.ScheduleDirs[name])
	return scheduleGroup{c.arn("scheduler", "schedule-group/"+name), name, "ACTIVE", at, at}
}

func (c *call) createScheduleGroup() (any, error) {
	name := c.path[0]
	if _, is := c.state.ScheduleDirs[name]; is {
		return nil, fails(http.StatusConflict, "ConflictException", "Schedule group %s already exists.", name)
	}
	c.state.ScheduleDirs[name] = c.now()
	return struct{ ScheduleGroupArn string }{c.scheduleGroup(name).Arn}, nil
}

func (c *call) getScheduleGroup() (any, error) {
	_, is := c.st.ScheduleDirs[c.path[0]]
	if !is {
		return nil, fails(http.StatusNotFound, "ResourceNotFoundException", "Schedule group %s does not exist.", c.path[0])
	}
	return c.scheduleGroup(c.path[0]), nil
}

// deleteScheduleGroup deletes the group's schedules with it.
func (c *call) deleteScheduleGroup() (any, error) {
	name := c.path[0]
	if name == "default" {
		return nil, notValid("The default schedule group cannot be deleted.")
	}
	if _, err := c.getScheduleGroup(); err != nil {
		return nil, err
	}
	delete(c.state.ScheduleDirs, name)
	maps.DeleteFunc(c.state.Schedules, func(_ string, s *schedule) bool { return s.Group == name })
	return nil, nil
}

func (c *call) listScheduleGroups() (any, error) {
	all := []scheduleGroup{}
	for _, name := range slices.Sorted(maps.Keys(c.st.ScheduleDirs)) {
		if strings.HasPrefix(name, c.text("NamePrefix")) {
			all = append(all, c.scheduleGroup(name))
		}
	}
	return restPage(c, "ScheduleGroups", all)
}
