package cloud

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/codedeploy-wingman/wingman/agent/guard"
)

// Which hosts are spoken to, in each partition, with FIPS and dual-stack endpoints as the environment says.
func TestEndpointsOfPartitions(t *testing.T) {
	for _, tt := range []struct{ region, fips, dual, host string }{
		{"eu-west-1", "", "", "autoscaling.eu-west-1.amazonaws.com:443"},
		{"eu-west-1", "", "true", "autoscaling.eu-west-1.api.aws:443"},
		{"us-east-1", "true", "", "autoscaling-fips.us-east-1.amazonaws.com:443"},
		{"us-east-1", "true", "true", "autoscaling-fips.us-east-1.api.aws:443"},
		{"us-gov-west-1", "", "", "autoscaling.us-gov-west-1.amazonaws.com:443"},
		{"cn-north-1", "", "", "autoscaling.cn-north-1.amazonaws.com.cn:443"},
	} {
		for name, value := range map[string]string{"AWS_REGION": tt.region, "AWS_USE_FIPS_ENDPOINT": tt.fips, "AWS_USE_DUALSTACK_ENDPOINT": tt.dual,
			"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_CA_BUNDLE": ""} {
			t.Setenv(name, value)
		}
		var asked []string
		ctx, cancel := context.WithCancel(t.Context())
		c := New(Options{Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			asked = append(asked, address)
			cancel() // it would try again
			return nil, errors.New("no network in this test")
		}})
		a := c.Guard(ctx, guard.Call{Op: guard.Describe, Group: "web"})
		if !slices.Equal(asked, []string{tt.host}) {
			t.Errorf("%+v: asked %v: %v", tt, asked, a.Err)
		}
	}
}

// AWS is reached by the proxy that the environment names. Go reads that once a process, so this one is another.
func TestProxy(t *testing.T) {
	if os.Getenv("WINGMAN_TEST_CHILD") != "" {
		New(Options{}).Guard(t.Context(), guard.Call{Op: guard.Describe, Group: "web"})
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan string, 16)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(conn).ReadString('\n')
			asked <- line
			conn.Write([]byte("HTTP/1.1 403 Forbidden\r\n\r\n"))
			conn.Close()
		}
	}()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxy$")
	cmd.Env = append(os.Environ(), "WINGMAN_TEST_CHILD=1", "HTTPS_PROXY=http://"+l.Addr().String(), "NO_PROXY=", "AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=AKIATEST", "AWS_SECRET_ACCESS_KEY=test", "AWS_ENDPOINT_URL=", "AWS_CONFIG_FILE="+os.DevNull)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := <-asked; got != "CONNECT autoscaling.eu-west-1.amazonaws.com:443 HTTP/1.1\r\n" {
		t.Errorf("got %q", got)
	}
}

// docs/security.md names each action that this package calls, and no other.
func TestSecurityPageNamesEachAction(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	service := map[string]string{"asg": "autoscaling", "deploy": "codedeploy", "alarms": "cloudwatch", "sched": "scheduler"}
	called := map[string]bool{"iam:PassRole": true} // for scheduler:CreateSchedule
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		for _, m := range regexp.MustCompile(`c\.(asg|deploy|alarms|sched)\.([A-Z]\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			called[service[m[1]]+":"+m[2]] = true
		}
		for _, m := range regexp.MustCompile(`New([A-Z]\w+)Paginator\(c\.(asg|deploy|alarms|sched),`).FindAllStringSubmatch(string(text), -1) {
			called[service[m[2]]+":"+m[1]] = true
		}
	}
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, name := range regexp.MustCompile("`((?:autoscaling|codedeploy|cloudwatch|scheduler|iam):[A-Z]\\w+)`").FindAllStringSubmatch(string(page), -1) {
		named[name[1]] = true
	}
	for a := range called {
		if !named[a] {
			t.Errorf("docs/security.md does not name %s", a)
		}
	}
	for a := range named {
		if !called[a] {
			t.Errorf("docs/security.md names %s, which is not called", a)
		}
	}
	if len(called) < 10 {
		t.Errorf("only %v found", called)
	}
}
