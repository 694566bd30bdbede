package awssim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// recordedAnswer is one answer of AWS itself; testdata/aws-recorded/README.md says whose.
type recordedAnswer struct {
	Operation string
	Status    int `json:"status_code"`
	Data      map[string]any
	Source    string
}

// answersOf gives the recorded answers of an operation.
func answersOf(t *testing.T, operation string) (found []recordedAnswer) {
	t.Helper()
	service, _, _ := strings.Cut(operation, ".")
	f, err := os.Open(filepath.Join("testdata", "aws-recorded", service+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r recordedAnswer
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if delete(r.Data, "ResponseMetadata"); r.Operation == operation {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		t.Fatalf("nothing recorded of %s", operation)
	}
	return found
}

// members gives the names of all that is in an answer, with the way to it: deploymentGroupInfo.alarmConfiguration.
func members(v any, at string, into map[string]bool) map[string]bool {
	switch v := v.(type) {
	case map[string]any:
		if v["__class__"] == "datetime" {
			return into
		}
		for k, inner := range v {
			into[at+"."+k] = true
			members(inner, at+"."+k, into)
		}
	case []any:
		for _, inner := range v {
			members(inner, at, into)
		}
	}
	return into
}

// raw asks as a client does and gives the answer undecoded.
func (s *rig) raw(target, body string) map[string]any {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.URL(), strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if target != "" {
		req.Header.Set("X-Amz-Target", "CodeDeploy_20141006."+target)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]any{}
	if target == "" {
		return tree(s.t, b)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		s.t.Fatal(err)
	}
	return out
}

// tree reads an XML answer's result as boto3 does: member elements are lists, the rest are names.
func tree(t *testing.T, b []byte) map[string]any {
	t.Helper()
	type node struct {
		XMLName xml.Name
		Text    string `xml:",chardata"`
		Nodes   []node `xml:",any"`
	}
	var root node
	if err := xml.NewDecoder(bytes.NewReader(b)).Decode(&root); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	var value func(n node) any
	value = func(n node) any {
		if len(n.Nodes) == 0 {
			return n.Text
		}
		if n.Nodes[0].XMLName.Local == "member" {
			list := []any{}
			for _, inner := range n.Nodes {
				list = append(list, value(inner))
			}
			return list
		}
		out := map[string]any{}
		for _, inner := range n.Nodes {
			out[inner.XMLName.Local] = value(inner)
		}
		return out
	}
	out, ok := value(root.Nodes[0]).(map[string]any)
	if !ok {
		t.Fatalf("no result in %s", b)
	}
	return out
}

// TestRecordedDeploy holds our answers against AWS's own: which members are there, also when they are empty, and which are not.
func TestRecordedDeploy(t *testing.T) {
	s := newRig(t, 1, DeploymentGroupSpec{}, Config{})
	var balancer, tcp string
	s.do(func() {
		balancer = s.state.balancersOf(s.tg)[0]
		tg := s.newTargetGroup("tcp", "TCP", 80)
		tcp = tg.TargetGroupArn
		s.state.TargetGroups[tcp] = tg
	})
	if err := s.AddApplication("empty"); err != nil {
		t.Fatal(err)
	}
	if err := s.AddDeploymentGroup(DeploymentGroupSpec{Application: "empty", Name: "plain"}); err != nil {
		t.Fatal(err)
	}
	ask := func(operation string, values url.Values) string {
		values.Set("Action", operation)
		values.Set("Version", "2015-12-01")
		return values.Encode()
	}
	older := []string{".deploymentGroupInfo.targetRevision", ".deploymentGroupInfo.lastSuccessfulDeployment", ".deploymentGroupInfo.lastAttemptedDeployment"} // of a group that was deployed to
	forward := []string{".Listeners.DefaultActions.ForwardConfig", ".Listeners.DefaultActions.Order"}                                                         // not simulated
	for _, c := range []struct {
		operation, body string
		which           int // of the recordings
		without         []string
	}{
		{"codedeploy.ListApplications", `{}`, 0, nil},
		{"codedeploy.ListDeploymentGroups", `{"applicationName":"empty"}`, 0, nil},
		{"codedeploy.GetDeploymentGroup", `{"applicationName":"empty","deploymentGroupName":"plain"}`, 1, older},
		{"codedeploy.DeleteDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"none"}`, 0, nil},
		{"elasticloadbalancing.DescribeTargetGroups", ask("DescribeTargetGroups", url.Values{"TargetGroupArns.member.1": {tcp}}), -2, nil},
		{"elasticloadbalancing.DescribeTargetHealth", ask("DescribeTargetHealth", url.Values{"TargetGroupArn": {tcp}}), 0, nil},
		{"elasticloadbalancing.DescribeListeners", ask("DescribeListeners", url.Values{"LoadBalancerArn": {balancer}}), -1, forward},
		{"elasticloadbalancing.DescribeTargetGroupAttributes", ask("DescribeTargetGroupAttributes", url.Values{"TargetGroupArn": {tcp}}), 0, nil},
	} {
		t.Run(c.operation, func(t *testing.T) {
			service, name, _ := strings.Cut(c.operation, ".")
			if service != "codedeploy" {
				name = ""
			}
			all := answersOf(t, c.operation)
			theirs := members(all[(c.which+len(all))%len(all)].Data, "", map[string]bool{})
			ours := members(s.raw(name, c.body), "", map[string]bool{})
			for k := range theirs {
				if !ours[k] && !slices.ContainsFunc(c.without, func(w string) bool { return strings.HasPrefix(k, w) }) {
					t.Errorf("AWS answers %s, we do not", k)
				}
			}
			for k := range ours {
				if !theirs[k] {
					t.Errorf("we answer %s, AWS does not", k)
				}
			}
		})
	}
}

// TestRecordedDeployRefusal holds our words against AWS's.
func TestRecordedDeployRefusal(t *testing.T) {
	s := newRig(t, 1, DeploymentGroupSpec{}, Config{})
	words := answersOf(t, "codedeploy.GetDeploymentGroup")
	i := slices.IndexFunc(words, func(r recordedAnswer) bool { return r.Status == 400 })
	theirs := words[i].Data["Error"].(map[string]any)
	ours := s.raw("GetDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"World"}`)
	if ours["__type"] != theirs["Code"] || ours["message"] != theirs["Message"] {
		t.Errorf("we say %v, AWS says %v", ours, theirs)
	}
}
