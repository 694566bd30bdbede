package awssim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	schtypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

// asgAnswer is one answer of the real AWS: testdata/aws-recorded.
type asgAnswer struct {
	Operation string
	Status    int `json:"status_code"`
	Data      map[string]any
	Source    string
}

func asgAnswers(t *testing.T) (all []asgAnswer) {
	for _, service := range []string{"autoscaling", "scheduler"} {
		text, err := os.ReadFile("testdata/aws-recorded/" + service + ".jsonl")
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			var r asgAnswer
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatal(err)
			}
			delete(r.Data, "ResponseMetadata")
			all = append(all, r)
		}
	}
	if len(all) < 20 {
		t.Fatalf("only %d recorded answers", len(all))
	}
	return all
}

// since are fields that AWS has added since the oldest of these recordings were made.
func since() []string {
	return []string{"TargetGroupARNs", "ServiceLinkedRoleARN", "TrafficSources", "AvailabilityZoneDistribution", "CapacityReservationSpecification", "InstanceLifecyclePolicy", "InstanceType"}
}

// shape tells which fields an answer has and of which kinds they are. A list has the shapes of its elements, each once.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if v["__class__"] != nil {
			return "time"
		}
		out := map[string]any{}
		for k, e := range v {
			if out[k] = shape(e); k == "CreatedTime" {
				out[k] = "time" // some recordings have been edited: there it is a text
			}
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			if s := shape(e); !slices.ContainsFunc(out, func(have any) bool { return reflect.DeepEqual(have, s) }) {
				out = append(out, s)
			}
		}
		return out
	}
	return fmt.Sprintf("%T", v)
}

// plain turns what the SDK has parsed into what JSON has: what is nil was not in the answer.
func plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		return plain(v.Elem())
	case reflect.Slice:
		out := []any{}
		for i := range v.Len() {
			out = append(out, plain(v.Index(i)))
		}
		return out
	case reflect.Struct:
		if _, is := v.Interface().(time.Time); is {
			return map[string]any{"__class__": "datetime"}
		}
		out := map[string]any{}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			absent := (f.Type.Kind() == reflect.Pointer || f.Type.Kind() == reflect.Slice) && v.Field(i).IsNil() || f.Type.Kind() == reflect.String && v.Field(i).Len() == 0
			if f.IsExported() && f.Name != "ResultMetadata" && !absent {
				out[f.Name] = plain(v.Field(i))
			}
		}
		return out
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return v.Bool()
	}
	return 0.0 // JSON has one kind of number
}

// without drops fields that AWS has added, where a recording does not have them.
func without(ours, theirs any) {
	o, isMap := ours.(map[string]any)
	t, _ := theirs.(map[string]any)
	for k := range o {
		if _, has := t[k]; !has && slices.Contains(since(), k) {
			delete(o, k)
		} else if isMap {
			without(o[k], t[k])
		}
	}
	ol, _ := ours.([]any)
	tl, _ := theirs.([]any)
	for i := range min(len(ol), len(tl)) {
		without(ol[i], tl[i])
	}
}

func sameShape(t *testing.T, theirs map[string]any, ours any) {
	t.Helper()
	o := plain(reflect.ValueOf(ours))
	without(o, any(theirs))
	if diff := cmp.Diff(shape(any(theirs)), shape(o)); diff != "" {
		t.Errorf("not the shape of AWS's answer (-AWS +ours):\n%s", diff)
	}
}

// stageGroup gives a simulated AWS the group that a recording tells of.
func stageGroup(s *Sim, rec map[string]any) {
	text := func(m map[string]any, key string) string { v, _ := m[key].(string); return v }
	g := &group{Name: text(rec, "AutoScalingGroupName"), Zones: []string{"eu-west-1a"}, Max: 9, Tags: map[string]tag{},
		Kept: map[string]string{"LaunchConfigurationName": text(rec, "LaunchConfigurationName"), "VPCZoneIdentifier": text(rec, "VPCZoneIdentifier")}}
	if lt, is := rec["LaunchTemplate"].(map[string]any); is {
		for k, v := range lt {
			g.Kept["LaunchTemplate."+k] = v.(string)
		}
	}
	for _, v := range rec["Tags"].([]any) {
		v := v.(map[string]any)
		g.Tags[text(v, "Key")] = tag{text(v, "Value"), v["PropagateAtLaunch"].(bool)}
	}
	var suspended []string
	for _, v := range rec["SuspendedProcesses"].([]any) {
		suspended = append(suspended, text(v.(map[string]any), "ProcessName"))
	}
	s.do(func() {
		if err := s.createGroup(g); err != nil {
			panic(err)
		}
		s.suspend(g, suspended)
		for range rec["Instances"].([]any) {
			s.launch(g, "", false)
		}
	})
}

func TestRecordedGroups(t *testing.T) {
	reason := regexp.MustCompile(`^User suspended at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)
	for _, r := range asgAnswers(t) {
		if r.Operation != "autoscaling.DescribeAutoScalingGroups" {
			continue
		}
		for _, rec := range r.Data["AutoScalingGroups"].([]any) {
			rec := rec.(map[string]any)
			t.Run(r.Source+" "+rec["AutoScalingGroupName"].(string), func(t *testing.T) {
				if rec["MixedInstancesPolicy"] != nil || len(rec["LoadBalancerNames"].([]any)) > 0 {
					t.Skip("a mixed instances policy, or a classic load balancer: not served")
				}
				if in := rec["Instances"].([]any); len(in) > 0 && (in[0].(map[string]any)["LaunchConfigurationName"] == nil) == (rec["LaunchConfigurationName"] != nil) {
					t.Skip("its instances are of another launch configuration than the group is now: not served")
				}
				s := start(t, Config{})
				stageGroup(s, rec)
				out := must(as(s, "AKIA").asg.DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{}))(t)
				sameShape(t, rec, out.AutoScalingGroups[0])
				for _, p := range out.AutoScalingGroups[0].SuspendedProcesses {
					if !reason.MatchString(*p.SuspensionReason) {
						t.Errorf("reason: %q", *p.SuspensionReason)
					}
				}
				for _, p := range rec["SuspendedProcesses"].([]any) {
					if why := p.(map[string]any)["SuspensionReason"].(string); !reason.MatchString(why) {
						t.Errorf("AWS's reason is of another form: %q", why)
					}
				}
			})
		}
	}
}

// TestRecordedActions looks at the operations that answer with nothing, and at policies and schedules.
func TestRecordedActions(t *testing.T) {
	seen := 0
	for _, r := range asgAnswers(t) {
		t.Run(r.Source, func(t *testing.T) {
			s := start(t, Config{})
			web(t, s, 1)
			c, name := as(s, "AKIA"), aws.String("web")
			tags := []types.Tag{{ResourceId: name, ResourceType: aws.String("auto-scaling-group"), Key: aws.String("k"), Value: aws.String("v")}}
			seen++
			switch r.Operation {
			case "autoscaling.DeleteAutoScalingGroup":
				sameShape(t, r.Data, *must(c.asg.DeleteAutoScalingGroup(t.Context(), &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: name, ForceDelete: aws.Bool(true)}))(t))
			case "autoscaling.UpdateAutoScalingGroup":
				sameShape(t, r.Data, *must(c.asg.UpdateAutoScalingGroup(t.Context(), &autoscaling.UpdateAutoScalingGroupInput{AutoScalingGroupName: name}))(t))
			case "autoscaling.CreateOrUpdateTags":
				sameShape(t, r.Data, *must(c.asg.CreateOrUpdateTags(t.Context(), &autoscaling.CreateOrUpdateTagsInput{Tags: tags}))(t))
			case "autoscaling.DeleteTags":
				sameShape(t, r.Data, *must(c.asg.DeleteTags(t.Context(), &autoscaling.DeleteTagsInput{Tags: tags}))(t))
			case "autoscaling.SuspendProcesses":
				sameShape(t, r.Data, *must(c.asg.SuspendProcesses(t.Context(), &autoscaling.SuspendProcessesInput{AutoScalingGroupName: name}))(t))
			case "autoscaling.ResumeProcesses":
				sameShape(t, r.Data, *must(c.asg.ResumeProcesses(t.Context(), &autoscaling.ResumeProcessesInput{AutoScalingGroupName: name}))(t))
			case "autoscaling.DescribePolicies":
				must(c.asg.PutScalingPolicy(t.Context(), &autoscaling.PutScalingPolicyInput{AutoScalingGroupName: name, PolicyName: aws.String("p"), PolicyType: aws.String("TargetTrackingScaling"),
					TargetTrackingConfiguration: &types.TargetTrackingConfiguration{TargetValue: aws.Float64(50), PredefinedMetricSpecification: &types.PredefinedMetricSpecification{PredefinedMetricType: "ASGAverageCPUUtilization"}}}))(t)
				sameShape(t, r.Data, *must(c.asg.DescribePolicies(t.Context(), &autoscaling.DescribePoliciesInput{}))(t))
			case "scheduler.CreateSchedule", "scheduler.GetSchedule":
				recordedSchedule(t, c, r)
			default:
				seen--
			}
		})
	}
	if seen < 9 {
		t.Errorf("only %d of the recorded answers are of operations that are looked at", seen)
	}
}

func recordedSchedule(t *testing.T, c clients, r asgAnswer) {
	name := aws.String("custodian-schedule-ec2-checker") // the recorded one
	if r.Status == 404 {
		_, err := c.sch.GetSchedule(t.Context(), &scheduler.GetScheduleInput{Name: name})
		var api smithy.APIError
		theirs := r.Data["Error"].(map[string]any)
		if !errors.As(err, &api) || api.ErrorCode() != theirs["Code"] || api.ErrorMessage() != theirs["Message"] {
			t.Errorf("%v, where AWS says %v", err, theirs)
		}
		return
	}
	out := must(c.sch.CreateSchedule(t.Context(), &scheduler.CreateScheduleInput{Name: name, ScheduleExpression: aws.String("rate(1 day)"), Description: aws.String("d"), FlexibleTimeWindow: &schtypes.FlexibleTimeWindow{Mode: "OFF"},
		Target: &schtypes.Target{Arn: aws.String("arn:aws:lambda:us-east-1:1:function:f"), RoleArn: aws.String("arn:aws:iam::1:role/r")}}))(t)
	if strings.HasSuffix(r.Operation, "CreateSchedule") {
		sameShape(t, r.Data, *out)
		return
	}
	sameShape(t, r.Data, *must(c.sch.GetSchedule(t.Context(), &scheduler.GetScheduleInput{Name: name}))(t))
}
