package awssim

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// curl makes one HTTP call and gives its status and body.
func curl(t testing.TB, method, url string, headers ...string) (int, string) {
	t.Helper()
	r := must(http.NewRequestWithContext(t.Context(), method, url, nil))(t)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer w.Body.Close()
	return w.StatusCode, string(must(io.ReadAll(w.Body))(t))
}

const (
	ttl     = "X-aws-ec2-metadata-token-ttl-seconds"
	tokenIs = "X-aws-ec2-metadata-token"
)

func TestIMDS(t *testing.T) {
	s := start(t, Config{})
	if err := s.CreateGroup(GroupSpec{Name: "web", Max: 3, Desired: 1, Tags: map[string]string{"Name": "web server"}}); err != nil {
		t.Fatal(err)
	}
	s.Advance(150 * time.Millisecond) // launched, and still Pending
	id := groupOf(t, s).Instances[0].ID
	url := must(s.IMDS(id))(t)
	status, token := curl(t, "PUT", url+"/latest/api/token", ttl, "60")
	if status != 200 {
		t.Fatal(status)
	}
	get := func(path string) (int, string) {
		t.Helper()
		return curl(t, "GET", url+path, tokenIs, token)
	}
	const state = "/latest/meta-data/autoscaling/target-lifecycle-state"
	if status, _ := get(state); status != 404 {
		t.Errorf("before the first transition there is a target state: %d", status)
	}
	s.Advance(time.Second)
	for path, want := range map[string]string{
		"/latest/meta-data/instance-id":                             id,
		"/2021-07-15/meta-data/placement/region":                    "eu-west-1",
		"/latest/meta-data/placement/availability-zone":             "eu-west-1a",
		"/latest/meta-data/local-ipv4":                              "10.0.0.5",
		"/latest/meta-data/tags/instance/":                          "Name\naws:autoscaling:groupName",
		"/latest/meta-data/tags/instance/Name":                      "web server",
		"/latest/meta-data/iam/security-credentials/":               roleName,
		"/latest/meta-data/tags/instance/aws:autoscaling:groupName": "web",
		state: inService,
	} {
		if status, body := get(path); status != 200 || body != want {
			t.Errorf("%s: %d %q, not %q", path, status, body, want)
		}
	}
	var document, credentials map[string]any
	for path, into := range map[string]*map[string]any{"/latest/dynamic/instance-identity/document": &document, "/latest/meta-data/iam/security-credentials/" + roleName: &credentials} {
		if _, body := get(path); json.Unmarshal([]byte(body), into) != nil {
			t.Errorf("%s: %s", path, body)
		}
	}
	if document["instanceId"] != id || document["region"] != "eu-west-1" || credentials["AccessKeyId"] != AccessKey(id) {
		t.Errorf("%v %v", document, credentials)
	}
}

// TestIMDSRefuses has what IMDSv2 does not allow, and what is not there.
func TestIMDSRefuses(t *testing.T) {
	s := start(t, Config{})
	id := web(t, s, 1).Instances[0].ID
	url := must(s.IMDS(id))(t)
	if again := must(s.IMDS(id))(t); again != url {
		t.Errorf("another metadata service: %s", again)
	}
	if _, err := s.IMDS("i-0"); err == nil {
		t.Error("metadata of no instance")
	}
	_, token := curl(t, "PUT", url+"/latest/api/token", ttl, "60")
	for _, tt := range []struct {
		method, path string
		headers      []string
		status       int
	}{
		{"GET", "/latest/meta-data/instance-id", nil, 401},
		{"GET", "/latest/meta-data/instance-id", []string{tokenIs, "x"}, 401},
		{"PUT", "/2021-07-15/api/token", []string{ttl, "60"}, 403},
		{"PUT", "/latest/api/token", nil, 400},
		{"PUT", "/latest/api/token", []string{ttl, "21601"}, 400},
		{"GET", "/latest/meta-data/spot/instance-action", []string{tokenIs, token}, 404},
		{"GET", "/latest/meta-data/tags/instance/none", []string{tokenIs, token}, 404},
		{"GET", "/latest/meta-data/none", []string{tokenIs, token}, 404},
	} {
		if status, _ := curl(t, tt.method, url+tt.path, tt.headers...); status != tt.status {
			t.Errorf("%s %s: %d, not %d", tt.method, tt.path, status, tt.status)
		}
	}
	s.Advance(time.Minute)
	if status, _ := curl(t, "GET", url+"/latest/meta-data/instance-id", tokenIs, token); status != 401 {
		t.Errorf("the token is good for longer than it was asked for: %d", status)
	}
}

// TestIMDSToTheEnd follows an instance through a Spot interruption, with the faults that a metadata service can have.
func TestIMDSToTheEnd(t *testing.T) {
	s := start(t, Config{Delays: Delays{Spot: 2 * time.Minute}})
	id := web(t, s, 1).Instances[0].ID
	url := must(s.IMDS(id))(t)
	_, token := curl(t, "PUT", url+"/latest/api/token", ttl, "21600")
	get := func(path string) (int, string) { return curl(t, "GET", url+"/latest/meta-data/"+path, tokenIs, token) }
	if err := s.Spot(id); err != nil {
		t.Fatal(err)
	}
	if status, body := get("spot/instance-action"); status != 200 || body != `{"action":"terminate","time":"2026-11-25T12:03:00Z"}` {
		t.Errorf("notice: %d %s", status, body)
	}
	for name, tt := range map[string]struct {
		fault  Fault
		status int
	}{
		"throttled":      {Fault{Service: "imds", Throttle: true}, 503},
		"off":            {Fault{Service: "imds", Status: 403}, 403},
		"no answer":      {Fault{Service: "imds", NoAnswer: true}, 0},
		"another's":      {Fault{Service: "imds", Caller: "i-0", Status: 403}, 200},
		"another's item": {Fault{Service: "imds", Operation: "/latest/api/token", Status: 403}, 200},
	} {
		remove := s.Inject(tt.fault)
		if status, _ := get("instance-id"); status != tt.status {
			t.Errorf("%s: %d, not %d", name, status, tt.status)
		}
		remove()
	}
	s.Advance(2 * time.Minute)
	if status, body := get("instance-id"); status != 0 || !strings.Contains(body, "EOF") {
		t.Errorf("terminated, it answers %d %s", status, body)
	}
}

// TestIMDSBySDK has the SDK find out by itself where it is and who it is.
func TestIMDSBySDK(t *testing.T) {
	s := start(t, Config{Region: "cn-north-1"})
	id := web(t, s, 1).Instances[0].ID
	c := imds.New(imds.Options{Endpoint: must(s.IMDS(id))(t), EnableFallback: aws.FalseTernary})
	document := must(c.GetInstanceIdentityDocument(t.Context(), nil))(t)
	region := must(c.GetRegion(t.Context(), nil))(t)
	if document.InstanceID != id || region.Region != "cn-north-1" || document.AvailabilityZone != "cn-north-1a" {
		t.Errorf("%+v in %s", document, region.Region)
	}
	role := sts.New(sts.Options{Region: region.Region, BaseEndpoint: aws.String(s.URL()), Credentials: ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = c })})
	if me := must(role.GetCallerIdentity(t.Context(), nil))(t); !strings.HasSuffix(*me.Arn, "/"+id) {
		t.Errorf("caller: %s", *me.Arn)
	}
}
