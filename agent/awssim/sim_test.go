package awssim

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// noon is where virtual clocks stand: not on a whole second, so that a truncated stamp shows.
func noon() time.Time { return time.Date(2026, 11, 25, 12, 0, 0, 700_000_000, time.UTC) }

// start gives a simulated AWS on a virtual clock.
func start(t testing.TB, c Config) *Sim {
	t.Helper()
	if c.Start.IsZero() {
		c.Start = noon()
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// whole is an HTTP client that reads an answer to its end before the SDK sees it. The SDK closes a request's body as soon
// as the answer begins; where that comes sooner than the end of the writing, as it can on loopback, net/http closes the
// connection under the rest of the answer. Against real AWS the SDK's retries cover it; these clients try once.
type whole struct{}

func (whole) Do(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, err
}

// clients are the SDK's, speaking to a simulated AWS as one caller. They try once.
type clients struct {
	asg *autoscaling.Client
	cw  *cloudwatch.Client
	sch *scheduler.Client
	sts *sts.Client
}

func as(s *Sim, key string) clients {
	c := aws.Config{Region: s.Region, BaseEndpoint: aws.String(s.URL()), HTTPClient: whole{}, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key, "secret", "")}
	return clients{autoscaling.NewFromConfig(c), cloudwatch.NewFromConfig(c), scheduler.NewFromConfig(c), sts.NewFromConfig(c)}
}

// web makes a group of n instances in service.
func web(t testing.TB, s *Sim, n int) GroupView {
	t.Helper()
	if err := s.CreateGroup(GroupSpec{Name: "web", Min: 0, Max: 10, Desired: n}); err != nil {
		t.Fatal(err)
	}
	s.Advance(time.Minute)
	g := groupOf(t, s)
	if len(g.InService()) != n {
		t.Fatalf("%d instances in service, not %d: %+v", len(g.InService()), n, g)
	}
	return g
}

func groupOf(t testing.TB, s *Sim) GroupView {
	t.Helper()
	g, is := s.Group("web")
	if !is {
		t.Fatal("the group is gone")
	}
	return g
}
